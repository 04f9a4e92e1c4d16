// shmq-unlink --stale and --watch.
#pragma once

#include "common/cli.hpp"

// One sweep. Says what went wrong, and with -v what stayed and why. `ignore_missing`: a name that is
// not there is no error.
Exit sweep_once(const shmq::SweepOptions& options, const Common& common, bool ignore_missing);
// Sweeps until told to stop; with names, until those rings are gone.
Exit keep_sweeping(const shmq::SweepOptions& options, const Common& common, bool ignore_missing);
