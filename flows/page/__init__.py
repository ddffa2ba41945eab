"""The page for the people who watch the sync: finance and operations. It shows and calls; it decides nothing.

`app.py` puts it on the API's app, under `/page`, with what every view has around it; `auth.py` says who may see it, and
what a browser may load for it. `views/` has one file a view, `components.py` what they are built of, `texts.py` every
text, by its key.
"""
