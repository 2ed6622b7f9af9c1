"""The function that says what training was like: it reads outputs, and adds to them."""
