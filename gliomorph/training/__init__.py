"""Training of networks: folders, passes, pictures and cards that both kinds share."""
