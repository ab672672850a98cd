"""The machine: devices, CPUs, memory."""
