//! What every process needs: configuration, telemetry, tasks, shutdown, HTTP listeners, admin endpoints, exit codes.
