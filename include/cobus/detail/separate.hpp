#pragma once

/// What is compiled once for a program is `inline` in a header, unless the program says
/// `COBUS_SEPARATE_COMPILATION`: then one file of it includes <cobus/source.hpp>.
#ifdef COBUS_SEPARATE_COMPILATION
#define COBUS_DECL
#else
#define COBUS_DECL inline
#endif
