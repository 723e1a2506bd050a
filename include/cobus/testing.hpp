#pragma once

/// For users' tests: a bus on memory with virtual time and scripted faults (docs/testing_kit.md),
/// and the conformance suite for transports (docs/conformance.md).

#include "testing/bus_fixture.hpp"
#include "testing/conformance.hpp"
#include "testing/faulty.hpp"
#include "testing/scripted_transport.hpp"
#include "testing/virtual_clock.hpp"
