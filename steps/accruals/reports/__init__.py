"""What the accruals come to, for people: pure data first, then the forms it is shown in.

    movements.py     what was invoiced, credited and accrued, by month and currency
    sums.py          exact sums made by the database
    roll_forward.py  opening deferred + invoiced - credited - accrued = closing deferred, month by month
    monthly.py       accrued by month, per client, contract and period
    projection.py    the engine run forward over one contract
    waterfall.py     what is still deferred, by the month it is expected to be earned in
    journal.py       the entries of a month, deferred revenue to revenue
    explain.py       one posting, back to its rule, its sessions, its documents and their executions
    evidence.py      what an explanation rests on

    sheet.py         any of them as a table of cells    spreadsheet.py  a sheet as CSV or XLSX
    as_json.py       any of them as JSON            chart.py        the roll-forward as a picture

Functions that read take an open session; nothing here writes.
"""
