"""Two images registered to each other, whoever's they are: two sessions of a patient, two patients."""
