// Included by orders.hpp in this test's build: every use of a label becomes a place that can be weakened.
#pragma once

namespace shmq::detail::order {
std::memory_order at(std::memory_order as_it_is, const char* label, const char* file, int line, const char* function) noexcept;
}

// A macro's own name within it is not expanded again: that is the constant.
#define SHMQ_ORDER_AT(constant, label) at(constant, label, __FILE__, __LINE__, __func__)
#define P1 SHMQ_ORDER_AT(::shmq::detail::order::P1, "P1")
#define O1 SHMQ_ORDER_AT(::shmq::detail::order::O1, "O1")
#define P2 SHMQ_ORDER_AT(::shmq::detail::order::P2, "P2")
#define P2_cas SHMQ_ORDER_AT(::shmq::detail::order::P2_cas, "P2_cas")
#define O2 SHMQ_ORDER_AT(::shmq::detail::order::O2, "O2")
#define P3 SHMQ_ORDER_AT(::shmq::detail::order::P3, "P3")
#define P3_cas SHMQ_ORDER_AT(::shmq::detail::order::P3_cas, "P3_cas")
#define O3 SHMQ_ORDER_AT(::shmq::detail::order::O3, "O3")
#define P4 SHMQ_ORDER_AT(::shmq::detail::order::P4, "P4")
#define O4 SHMQ_ORDER_AT(::shmq::detail::order::O4, "O4")
#define P5 SHMQ_ORDER_AT(::shmq::detail::order::P5, "P5")
#define P5_cas SHMQ_ORDER_AT(::shmq::detail::order::P5_cas, "P5_cas")
#define O5 SHMQ_ORDER_AT(::shmq::detail::order::O5, "O5")
#define P6 SHMQ_ORDER_AT(::shmq::detail::order::P6, "P6")
#define O6 SHMQ_ORDER_AT(::shmq::detail::order::O6, "O6")
#define P7 SHMQ_ORDER_AT(::shmq::detail::order::P7, "P7")
#define O7 SHMQ_ORDER_AT(::shmq::detail::order::O7, "O7")
#define P8 SHMQ_ORDER_AT(::shmq::detail::order::P8, "P8")
#define O8 SHMQ_ORDER_AT(::shmq::detail::order::O8, "O8")
#define P9 SHMQ_ORDER_AT(::shmq::detail::order::P9, "P9")
#define O9 SHMQ_ORDER_AT(::shmq::detail::order::O9, "O9")
