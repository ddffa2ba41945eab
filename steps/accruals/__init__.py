"""The accrual engine: who is due, what to do, how much, which rows. Pure where it can be; asks no vendor anything."""
