#pragma once

/// The core of cobus: typed events in process, and everything that a transport needs. Depends on
/// Asio only. Add <cobus/kafka.hpp> for Kafka and <cobus/json.hpp> for the JSON codec.

#include "bus.hpp"
#include "catalogue.hpp"
#include "contract.hpp"
#include "error.hpp"
#include "message.hpp"
#include "outcome.hpp"
#include "receipt.hpp"
#include "settings.hpp"
