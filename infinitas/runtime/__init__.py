"""What every process needs: settings, logging, loops that survive an outage, signals."""
