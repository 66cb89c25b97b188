"""What every process needs: settings, logging, loops that outlive an outage, signals."""
