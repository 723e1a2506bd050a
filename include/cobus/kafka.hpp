#pragma once

/// The Kafka transport, over librdkafka. Hand `cobus::kafka()` to the bus.

#include "transport/kafka.hpp"

#ifndef COBUS_SEPARATE_COMPILATION
#include "impl/kafka.hpp"
#endif
