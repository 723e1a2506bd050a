#pragma once

/// What `COBUS_SEPARATE_COMPILATION` takes out of the headers: one file of the program includes
/// this. With Kafka it includes <cobus/kafka_source.hpp>, too.

#include "impl/open_bus.hpp"
