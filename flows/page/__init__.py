"""The page for the people who watch the sync: finance and operations. It shows and calls; it decides nothing.

mount.py      puts everything on the API's app, under `/page`
frame.py      what every view has: header, navigation, language, theme
run.py        choose a step and months, execute, watch          grid.py     step x month at a glance
history.py    past executions                                  errors.py   records that could not be applied
accruals.py   chart, roll-forward, downloads                   closing.py  closing and reopening months

guard.py, sessions.py, login.py, content_security.py   who may see it, and what a browser may load for it
texts.py, english.py, spanish.py                       every text, by its key
"""
