// Rows and columns, as text or as JSON.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/cli.hpp"

using Json = nlohmann::ordered_json;

enum class Shown {
    plain,
    size,      // bytes, for people in K, M and G
    duration,  // ns, for people in us, ms, s, m, h and d
    time,      // ns since 1970, as a date; 0: never
};

template <class Row>
struct Column {
    const char* name;
    const char* key;  // in JSON
    bool right;       // aligned
    Json (*value)(const Row&);
    Shown shown = Shown::plain;
};

struct Style {
    bool raw = false, bytes = false, no_headings = false;
};

std::string human(std::uint64_t bytes);
std::string human_duration(std::uint64_t ns);
std::string cell(const Json& value, Shown shown, const Style& style);
// Text for all rows, headings among them; `right` says which columns are aligned there.
std::string aligned(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right, bool raw);

template <class Row>
using Columns = std::vector<const Column<Row>*>;

template <class Row, std::size_t count>
Columns<Row> first_of(const Column<Row> (&columns)[count], std::size_t shown) {
    Columns<Row> result;
    for (std::size_t i = 0; i < shown; ++i) result.push_back(&columns[i]);
    return result;
}

// COLUMN,... in any case; a leading + adds to the default.
template <class Row, std::size_t count>
Columns<Row> parse_columns(std::string_view text, const Column<Row> (&columns)[count], std::size_t shown) {
    Columns<Row> result;
    if (text.starts_with('+')) {
        result = first_of(columns, shown);
        text.remove_prefix(1);
    }
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        std::string name(text.substr(0, comma));
        std::ranges::transform(name, name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
        const auto* const column = std::ranges::find(columns, std::string_view(name), [](const Column<Row>& c) { return std::string_view(c.name); });
        if (column == std::end(columns)) refuse(name, "columns out of", columns);
        result.push_back(column);
        more = comma != std::string_view::npos;
        if (more) text.remove_prefix(comma + 1);
    }
    return result;
}

template <class Row>
Json as_object(const Row& row, const Columns<Row>& columns) {
    Json object;
    for (const auto* column : columns) object[column->key] = column->value(row);
    return object;
}

template <class Row>
std::string as_table(const std::vector<Row>& rows, const Columns<Row>& columns, const Style& style) {
    std::vector<std::vector<std::string>> text;
    std::vector<bool> right;
    for (const auto* column : columns) right.push_back(column->right);
    if (!style.no_headings) {
        auto& line = text.emplace_back();
        for (const auto* column : columns) line.emplace_back(column->name);
    }
    for (const Row& row : rows) {
        auto& line = text.emplace_back();
        for (const auto* column : columns) line.push_back(cell(column->value(row), column->shown, style));
    }
    return aligned(text, right, style.raw);
}
