// Bytes as text: what JSON needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  // nothing where it is not base64
bool is_utf8(std::string_view text);
std::string json_string(std::string_view text);  // a JSON string. REQUIRES: is_utf8(text)
