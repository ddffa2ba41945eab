"""The accrual engine: who is due, what to do, how much, which rows. Pure where it can be; asks no vendor anything.

The pure heart, from what is known to what is to be done (accruals.md is the law):

    facts.py       what is told of one contract, and the settings
    periods.py     periods as of a day, the last one, and whose each day is
    sessions.py    how many sessions, in closed form
    amounts.py     how much they earn, and the split that loses no cent
    situation.py   one contract in one month: every word of the decision table
    conditions.py  the conditions of its rows      notices.py    what they tell a person
    rule.py        a row as data                   carry_out.py  what a row does
    decide.py      the 22 rows, tried from the top
    check.py       bad data                        outcome.py    the answer
    month.py       the step's result, counted contract by contract

Around it, the database (one month is one transaction, all contracts in chunks):

    gate.py        is the month's import sound?    failures.py    bad data as integration errors
    process.py     a month: load, decide, write, check, chunk by chunk
    due.py         which contracts are due         load.py       their facts, by a few queries
    stored.py      from columns to values          posted.py     what was accrued before
    post.py        the rows, only what changed
    ledger_check.py  accrued + remaining = invoiced - credited, read back before the commit
    rules.py       the engine's settings           public_holidays.py, service_facts.py  what all contracts share

A person closes a month (the only thing that closes it), and reads what came of it:

    closing.py     close and reopen                closing_checks.py  what keeps a month open
    fingerprint.py the hash of a month's postings  reports/           every report, as data and in its forms
"""
