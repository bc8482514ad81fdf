"""Times and memory of Orrery beside what people would use without it, both measured in one run."""
