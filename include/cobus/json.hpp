#pragma once

/// The JSON codec, for contracts that say `using codec = cobus::json_codec;`. Needs nlohmann-json.

#include "codec/json_codec.hpp"
