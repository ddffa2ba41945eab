"""The page: what guards it, what it says, and what a person does with it in a browser."""
