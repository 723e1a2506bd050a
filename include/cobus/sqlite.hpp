#pragma once

/// What cobus keeps in SQLite files. Needs SQLite 3.37 and the target cobus::sqlite.

#include "middleware/sqlite_deduplication.hpp"
