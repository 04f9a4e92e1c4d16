#include "stat/table.hpp"

#include <ctime>

std::string human(std::uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + 'B';
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (value /= 1024; value >= 1023.95 && unit < 5; ++unit) value /= 1024;
    std::string text = fmt::format("{:.1f}", value);
    if (text.ends_with(".0")) text.resize(text.size() - 2);
    return text + "KMGTPE"[unit];
}

std::string human_duration(std::uint64_t ns) {
    struct Unit {
        const char* name;
        double ns;
    };
    constexpr Unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}};
    const auto value = static_cast<double>(ns);
    const Unit* unit = units;
    while (unit + 1 != std::end(units) && value >= unit[1].ns - unit->ns / 20) ++unit;  // 59.96s is 1m
    std::string text = fmt::format("{:.1f}", value / unit->ns);
    if (text.ends_with(".0")) text.resize(text.size() - 2);
    return text + unit->name;
}

// ISO 8601 and one word, in local time.
static std::string date(std::uint64_t ns) {
    const auto seconds = static_cast<time_t>(ns / 1'000'000'000);
    tm local{};
    char text[64];
    if (!localtime_r(&seconds, &local) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &local)) return "-";
    return text;
}

// A record layout may be any text that a program gave.
static std::string one_word(std::string text) {
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; }, '?');
    return text;
}

std::string cell(const Json& value, Shown shown, const Style& style) {
    if (value.is_null()) return "-";
    if (value.is_string()) return one_word(value.get<std::string>());
    const auto number = value.get<std::uint64_t>();
    if (shown == Shown::time) return number ? date(number) : "-";
    if (shown == Shown::size && !style.bytes && !style.raw) return human(number);
    if (shown == Shown::duration && !style.raw) return human_duration(number);
    return std::to_string(number);
}

std::string aligned(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right, bool raw) {
    std::vector<std::size_t> width(right.size());
    if (!raw)
        for (const auto& row : rows)
            for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i) text += ' ';
            const bool last = i + 1 == row.size();  // nothing behind the last one
            if (right[i]) text += fmt::format("{:>{}}", row[i], width[i]);
            else text += fmt::format("{:<{}}", row[i], last ? 0 : width[i]);
        }
        text += '\n';
    }
    return text;
}
