"""How far simulated patients with people's anatomies are from real ones: volumes, contrasts, profiles across borders.

    python -m benchmarks.likeness OUT --bids BIDS -d brats=BIDS/derivatives/brats --anatomies HEADS [--half report]

puts every second real patient (``--half tune`` the others: set the engine by these alone) beside as many simulated
ones, at 3 mm, intensities standardised over the brain as networks read them: ``likeness.md`` has medians and
quartiles, and how far the engine's median is off in quartile ranges of the real patients; ``likeness-<modality>.png``
profiles and slices.
"""
