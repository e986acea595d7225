"""Real workers on a real Kafka, killed, frozen and moved about at random, and a verdict from the topics alone."""
