"""What the app owns in an account, who still wants it, what it costs, and taking it away."""
