"""The sandbox against the vendor sheets: a second reading, tested over real HTTP."""
