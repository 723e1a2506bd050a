#pragma once

/// For users' tests: the conformance suite for transports. docs/conformance.md says how to run it.

#include "testing/conformance.hpp"
