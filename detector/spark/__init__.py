"""The same way from canonical events to scores on a Spark cluster, for portals that one machine cannot hold."""
