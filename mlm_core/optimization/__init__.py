"""What both engines' updates share: learning rates, weight decay, dropout noise, loss scale."""
