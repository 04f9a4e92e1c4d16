#include "common/record.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "common/cli.hpp"
#include "common/text.hpp"

namespace {

using Field = Record::Field;
using Kind = Record::Kind;

constexpr std::size_t max_size = std::size_t{1} << 30;  // as a slot
constexpr std::size_t max_text = 3584;                  // as shmq::Options::record

// ---- types --------------------------------------------------------------------------------------

struct Type {
    std::string_view name;
    Kind kind;
    std::size_t size, alignment;
};

// As a member of a struct: on some platforms alignof() is more than that.
template <class T>
constexpr std::size_t member_alignment() {
    struct Probe {
        char before;
        T member;
    };
    return offsetof(Probe, member);
}
template <class T>
constexpr Type type(std::string_view name, Kind kind) {
    return {name, kind, sizeof(T), member_alignment<T>()};
}
static_assert(sizeof(float) == 4 && sizeof(double) == 8 && sizeof(bool) == 1);

constexpr Type types[] = {
    type<std::int8_t>("i8", Kind::i8),   type<std::int16_t>("i16", Kind::i16), type<std::int32_t>("i32", Kind::i32), type<std::int64_t>("i64", Kind::i64),
    type<std::uint8_t>("u8", Kind::u8),  type<std::uint16_t>("u16", Kind::u16), type<std::uint32_t>("u32", Kind::u32), type<std::uint64_t>("u64", Kind::u64),
    type<float>("f32", Kind::f32),       type<double>("f64", Kind::f64),       type<bool>("bool", Kind::boolean),    type<char>("char", Kind::text),
};

const Type& type_of(Kind kind) { return *std::ranges::find(types, kind, &Type::kind); }
std::size_t size_of(const Field& field) { return type_of(field.kind).size * field.count; }

// Calls `use` with a null pointer of the C type.
template <class Use>
auto with_type(Kind kind, Use use) {
    switch (kind) {
        case Kind::i8: return use(static_cast<std::int8_t*>(nullptr));
        case Kind::i16: return use(static_cast<std::int16_t*>(nullptr));
        case Kind::i32: return use(static_cast<std::int32_t*>(nullptr));
        case Kind::i64: return use(static_cast<std::int64_t*>(nullptr));
        case Kind::u8: return use(static_cast<std::uint8_t*>(nullptr));
        case Kind::u16: return use(static_cast<std::uint16_t*>(nullptr));
        case Kind::u32: return use(static_cast<std::uint32_t*>(nullptr));
        case Kind::u64: return use(static_cast<std::uint64_t*>(nullptr));
        case Kind::f32: return use(static_cast<float*>(nullptr));
        case Kind::f64: return use(static_cast<double*>(nullptr));
        case Kind::boolean: return use(static_cast<bool*>(nullptr));
        case Kind::text: break;
    }
    return use(static_cast<char*>(nullptr));
}

template <class T>
T load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}
template <class T>
void store(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

// ---- layouts ------------------------------------------------------------------------------------

[[noreturn]] void bad_layout(const std::string& what) { throw Failure(Exit::data, "bad record layout: " + what); }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// One NAME:TYPE[N][@OFFSET], read from left to right.
class FieldReader {
public:
    FieldReader(std::string_view text, std::size_t number) : rest_(text), where_("field " + std::to_string(number)) {}

    Field read(bool& placed) {
        Field field{};
        field.name = word();
        if (field.name.empty() || is_digit(field.name[0])) bad("found " + found(field.name) + ", expected a name as in C");
        where_ = "field " + field.name;
        if (field.name[0] == '_') bad("names of fields do not begin with _ (such keys are not fields in JSON)");
        if (!next(':')) bad("found " + found() + ", expected : and a type");
        const std::string name = word();
        const auto* const type = std::ranges::find(types, std::string_view(name), &Type::name);
        if (type == std::end(types)) bad("found " + found(name) + ", expected one of " + type_names());
        field.kind = type->kind;
        if (next('[')) {
            field.array = field.kind != Kind::text;
            field.count = number("a length", 1, max_size / type->size);
            if (!next(']')) bad("found " + found() + ", expected ]");
        } else if (field.kind == Kind::text) {
            bad("char needs a length: char[N]");
        }
        if ((placed = next('@'))) field.offset = number("an offset", 0, max_size);
        blanks();
        if (!rest_.empty()) bad("found " + found() + ", expected " + (placed ? "" : field.array || field.kind == Kind::text ? "@OFFSET or " : "[N], @OFFSET or ") + "a comma");
        return field;
    }

private:
    [[noreturn]] void bad(const std::string& what) const { bad_layout(where_ + ": " + what); }
    static std::string type_names() {
        std::string names;
        for (const Type& type : types) names += (names.empty() ? "" : ", ") + std::string(type.name) + (type.kind == Kind::text ? "[N]" : "");
        return names;
    }
    void blanks() {
        while (!rest_.empty() && is_blank(rest_[0])) rest_.remove_prefix(1);
    }
    std::string found(const std::string& word = "") {
        if (!word.empty()) return "'" + word + "'";
        blanks();
        return rest_.empty() ? "nothing" : "'" + std::string(rest_.substr(0, 32)) + "'";
    }
    bool next(char c) {
        blanks();
        if (rest_.empty() || rest_[0] != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    std::string word() {
        blanks();
        const auto end = std::ranges::find_if(rest_, [](char c) { return !is_letter(c) && !is_digit(c); });
        std::string word(rest_.begin(), end);
        rest_.remove_prefix(word.size());
        return word;
    }
    std::size_t number(const char* what, std::size_t least, std::size_t most) {
        const std::string digits = word();
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        const bool odd = digits.empty() || (digits[0] == '0' && digits.size() > 1) || error != std::errc{} || end != digits.data() + digits.size();
        if (odd || value < least || value > most) bad("found " + found(digits) + ", expected " + what + " from " + std::to_string(least) + " to " + std::to_string(most));
        return value;
    }

    std::string_view rest_;
    std::string where_;
};

std::size_t round_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }

// Where a field lies that says nothing about it.
std::size_t natural_offset(const Record& record, std::size_t index) {
    const Field* const before = index ? &record.fields[index - 1] : nullptr;
    return round_up(before ? before->offset + size_of(*before) : 0, type_of(record.fields[index].kind).alignment);
}

void refuse_overlaps(const Record& record) {
    std::vector<const Field*> sorted;
    for (const Field& field : record.fields) sorted.push_back(&field);
    std::ranges::sort(sorted, {}, &Field::offset);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        const Field &a = *sorted[i - 1], &b = *sorted[i];
        const std::size_t end = a.offset + size_of(a);
        if (end > b.offset) bad_layout("fields " + a.name + " and " + b.name + " overlap: " + a.name + " ends before byte " + std::to_string(end) + ", " + b.name + " begins at " + std::to_string(b.offset));
    }
}

}  // namespace

Record parse_record(std::string_view layout) {
    Record record;
    bool packed = false;
    std::size_t end = 0;
    for (bool more = true; more;) {
        const auto comma = layout.find(',');
        more = comma != std::string_view::npos;
        bool placed = false;
        Field field = FieldReader(layout.substr(0, comma), record.fields.size() + 1).read(placed);
        if (std::ranges::find(record.fields, field.name, &Field::name) != record.fields.end()) bad_layout("field " + field.name + " is there twice");
        record.fields.push_back(std::move(field));
        Field& last = record.fields.back();
        if (!placed) last.offset = natural_offset(record, record.fields.size() - 1);
        const std::size_t alignment = type_of(last.kind).alignment;
        packed = packed || last.offset % alignment != 0;
        record.alignment = std::max(record.alignment, alignment);
        end = std::max(end, last.offset + size_of(last));
        if (end > max_size) bad_layout("field " + last.name + ": ends behind byte " + std::to_string(max_size) + ", which is all that a slot may have");
        if (more) layout.remove_prefix(comma + 1);
    }
    refuse_overlaps(record);
    // A member where no compiler would put it: the struct is a packed one.
    if (packed) record.alignment = 1;
    record.size = round_up(end, record.alignment);
    if (const std::size_t length = layout_text(record).size(); length > max_text) bad_layout("found " + std::to_string(length) + " bytes of text, expected at most " + std::to_string(max_text));
    return record;
}

std::optional<Record> record_of_ring(const std::string& name, std::string_view layout, bool fixed, std::size_t slot_size) {
    if (layout.empty()) return std::nullopt;
    Record record;
    try {
        record = parse_record(layout);
    } catch (const Failure& failure) {
        throw Failure(failure.exit(), name + ": " + failure.what());
    }
    if (!fixed || record.size != slot_size)
        throw Failure(Exit::data, name + ": its record layout describes " + std::to_string(record.size) + " bytes, its messages have " + (fixed ? std::to_string(slot_size) : "no fixed size"));
    return record;
}

std::string layout_text(const Record& record) {
    std::string text;
    for (std::size_t i = 0; i < record.fields.size(); ++i) {
        const Field& field = record.fields[i];
        text += (i ? "," : "") + field.name + ':' + std::string(type_of(field.kind).name);
        if (field.array || field.kind == Kind::text) text += '[' + std::to_string(field.count) + ']';
        if (field.offset != natural_offset(record, i)) text += '@' + std::to_string(field.offset);
    }
    return text;
}

// ---- JSON -> bytes ------------------------------------------------------------------------------

namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// What numbers of JSON cannot say: these three names, and a NaN with other bits than the usual as
// NaN(0x7ff8000000000001).
template <class T>
std::optional<T> named_number(std::string_view name) {
    using Limits = std::numeric_limits<T>;
    if (name == "NaN") return Limits::quiet_NaN();
    if (name == "Infinity") return Limits::infinity();
    if (name == "-Infinity") return -Limits::infinity();
    if (!name.starts_with("NaN(0x") || !name.ends_with(')')) return std::nullopt;
    name = name.substr(6, name.size() - 7);
    Bits<T> bits = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), bits, 16);
    const T value = std::bit_cast<T>(bits);
    if (error != std::errc{} || end != name.data() + name.size() || !std::isnan(value)) return std::nullopt;
    return value;
}

// Fed by the parser, token by token: so a key that is there twice is seen, and numbers come as they were
// written. A function that answers false stops it; bad_ says why.
class Encoder {
public:
    Encoder(const Record& record, std::span<std::byte> to) : record_(record), to_(to), seen_(record.fields.size()) {}
    std::string bad() { return std::move(bad_); }

    bool null() {
        return value("null", [&]<class T>(T* , std::byte* at) {
            if constexpr (std::is_floating_point_v<T>) return store(at, std::numeric_limits<T>::quiet_NaN()), true;
            return false;
        });
    }
    bool boolean(bool given) {
        return value(given ? "true" : "false", [&]<class T>(T*, std::byte* at) {
            if constexpr (std::is_same_v<T, bool>) return store(at, given), true;
            return false;
        });
    }
    bool number_integer(std::int64_t number) { return integer(number); }
    bool number_unsigned(std::uint64_t number) { return integer(number); }
    bool number_float(double number, const std::string& written) {
        return value(written, [&]<class T>(T*, std::byte* at) {
            // Rounded once: not to double first and then to float.
            if constexpr (std::is_same_v<T, float>) number = std::strtof(written.c_str(), nullptr);
            if constexpr (std::is_floating_point_v<T>)
                if (std::isfinite(number)) return store(at, static_cast<T>(number)), true;
            return false;
        });
    }
    bool string(std::string& text) {
        if (in_base64_) return base64_text(text);
        if (field_ && field_->kind == Kind::text && !ignoring_) return put_text(text);
        return value("a string", [&]<class T>(T*, std::byte* at) {
            if constexpr (std::is_floating_point_v<T>)
                if (const auto number = named_number<T>(text)) return store(at, *number), true;
            return false;
        });
    }
    bool binary(nlohmann::json::binary_t&) { return false; }  // not in JSON

    bool start_object(std::size_t) {
        if (ignoring_) return ++depth_, true;
        if (!begun_) return begun_ = true;
        if (field_ && field_->kind == Kind::text && !in_base64_) return in_base64_ = true;
        return expected("an object");
    }
    bool key(std::string& name) {
        if (ignoring_) return true;
        if (in_base64_) return (name == "base64" && !field_done_) || expected("an object with \"" + name + '"');
        if (name.starts_with('_')) return ignoring_ = true;
        field_ = find(name);
        if (!field_) return fail("unknown field " + (is_utf8(name) ? json_string(name) : name));
        if (seen_[index()]) return fail(where() + ": there twice");
        seen_[index()] = true;
        element_ = 0;
        field_done_ = false;
        return true;
    }
    bool end_object() {
        if (ignoring_) return leave_ignored();
        if (in_base64_) {
            if (!field_done_) return expected("an empty object");
            in_base64_ = false;
            field_ = nullptr;
            return true;
        }
        const auto missing = std::ranges::find(seen_, false);
        if (missing != seen_.end()) return fail("no field " + record_.fields[static_cast<std::size_t>(missing - seen_.begin())].name);
        return true;
    }
    bool start_array(std::size_t) {
        if (ignoring_) return ++depth_, true;
        if (!field_ || in_array_ || in_base64_ || !field_->array) return expected("an array");
        return in_array_ = true;
    }
    bool end_array() {
        if (ignoring_) return leave_ignored();
        if (element_ != field_->count) return wrong_count(std::to_string(element_));
        in_array_ = false;
        field_ = nullptr;
        return true;
    }
    bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& error) {
        constexpr int too_large_for_double = 406;
        if (error.id == too_large_for_double && !ignoring_) return expected(token);
        return fail("not a JSON document: wrong at byte " + std::to_string(position));
    }

private:
    bool fail(const std::string& why) { return bad_ = why, false; }
    std::size_t index() const { return static_cast<std::size_t>(field_ - record_.fields.data()); }
    std::string where() const { return "field " + field_->name + (in_array_ ? '[' + std::to_string(element_) + ']' : ""); }

    // The field there as a rule is the one behind the last.
    const Field* find(std::string_view name) {
        if (next_ < record_.fields.size() && record_.fields[next_].name == name) return &record_.fields[next_++];
        const auto found = std::ranges::find(record_.fields, name, &Field::name);
        if (found == record_.fields.end()) return nullptr;
        next_ = static_cast<std::size_t>(found - record_.fields.begin()) + 1;
        return &*found;
    }

    bool wrong_count(const std::string& found) {
        in_array_ = false;
        return fail(where() + ": found " + found + " elements, expected " + std::to_string(field_->count));
    }
    bool expected(const std::string& found) {
        if (!field_) return fail("not a JSON object");
        const std::string what = found.size() > 80 ? found.substr(0, 80) + "..." : found;
        return fail(where() + ": found " + what + ", expected " + expectation());
    }
    std::string expectation() const {
        const std::string count = std::to_string(field_->count);
        if (field_->kind == Kind::text) return "a string of at most " + count + " bytes";
        const std::string one = with_type(field_->kind, []<class T>(T*) -> std::string {
            if constexpr (std::is_same_v<T, bool>) return "true or false";
            else if constexpr (std::is_same_v<T, float>) return "a number, at most 3.4028235e+38 either way";
            else if constexpr (std::is_same_v<T, double>) return "a number";
            else return "an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " + std::to_string(std::numeric_limits<T>::max());
        });
        return field_->array && !in_array_ ? "an array of " + count + ", each " + one : one;
    }

    bool leave_ignored() {
        if (--depth_ == 0) ignoring_ = false;
        return true;
    }

    // A value that is no array and no object. `put` stores it as the type asked for, if it is one of that.
    template <class Put>
    bool value(const std::string& found, Put put) {
        if (ignoring_) {
            ignoring_ = depth_ > 0;
            return true;
        }
        if (!field_ || in_base64_ || field_->kind == Kind::text || field_->array != in_array_) return expected(found);
        if (element_ == field_->count) return wrong_count("more than " + std::to_string(element_));
        std::byte* const at = to_.data() + field_->offset + element_ * type_of(field_->kind).size;
        if (!with_type(field_->kind, [&](auto* type) { return put(type, at); })) return expected(found);
        if (in_array_) ++element_;
        else field_ = nullptr;
        return true;
    }
    template <class Number>
    bool integer(Number number) {
        return value(std::to_string(number), [&]<class T>(T*, std::byte* at) {
            if constexpr (std::is_floating_point_v<T>) return store(at, static_cast<T>(number)), true;
            else if constexpr (std::is_same_v<T, char>) return false;
            // A bool that is neither: pop shows it as it is.
            else if constexpr (std::is_same_v<T, bool>) return number > 1 && number <= 255 && (store(at, static_cast<std::uint8_t>(number)), true);
            else return std::in_range<T>(number) && (store(at, static_cast<T>(number)), true);
        });
    }
    bool put_text(std::string_view text) {
        if (text.size() > field_->count) return expected(std::to_string(text.size()) + " bytes");
        if (!text.empty()) std::memcpy(to_.data() + field_->offset, text.data(), text.size());
        if (!in_base64_) field_ = nullptr;
        return true;
    }
    bool base64_text(std::string_view text) {
        const auto bytes = from_base64(text);
        field_done_ = true;
        return bytes ? put_text(*bytes) : fail(where() + ": not base64");
    }

    const Record& record_;
    std::span<std::byte> to_;
    std::vector<bool> seen_;
    const Field* field_ = nullptr;  // whose value comes
    std::size_t next_ = 0, element_ = 0, depth_ = 0;
    bool begun_ = false, in_array_ = false, in_base64_ = false, field_done_ = false, ignoring_ = false;
    std::string bad_;
};

}  // namespace

std::string encode(const Record& record, std::string_view object, std::span<std::byte> to) {
    std::ranges::fill(to, std::byte{0});
    Encoder encoder(record, to);
    nlohmann::json::sax_parse(object.begin(), object.end(), &encoder);
    return encoder.bad();
}

// ---- bytes -> JSON ------------------------------------------------------------------------------

namespace {

template <class Number>
void append_number(std::string& text, Number number, int base = 10) {
    char digits[32];
    std::to_chars_result result{};
    if constexpr (std::is_floating_point_v<Number>) result = std::to_chars(digits, std::end(digits), number);  // the shortest that gives the same again
    else result = std::to_chars(digits, std::end(digits), number, base);
    text.append(digits, result.ptr);
}

template <class T>
void append_value(std::string& text, const std::byte* at) {
    const T value = load<T>(at);
    if constexpr (!std::is_floating_point_v<T>) {
        append_number(text, value);
    } else if (std::isnan(value)) {
        // By its bits: passing it on as a number may change them.
        const auto bits = load<Bits<T>>(at);
        text += "\"NaN";
        if (bits != std::bit_cast<Bits<T>>(std::numeric_limits<T>::quiet_NaN())) {
            text += "(0x";
            append_number(text, bits, 16);
            text += ')';
        }
        text += '"';
    } else if (std::isinf(value)) {
        text += value < 0 ? "\"-Infinity\"" : "\"Infinity\"";
    } else if (value == 0 && std::signbit(value)) {
        text += "-0.0";  // readers take -0 for an integer
    } else {
        append_number(text, value);
    }
}
template <>
void append_value<bool>(std::string& text, const std::byte* at) {
    const auto byte = load<std::uint8_t>(at);
    if (byte > 1) append_number(text, byte);
    else text += byte ? "true" : "false";
}

void append_text(std::string& text, std::string_view bytes) {
    while (bytes.ends_with('\0')) bytes.remove_suffix(1);
    if (is_utf8(bytes)) text += json_string(bytes);
    else text += "{\"base64\":\"" + base64(bytes) + "\"}";
}

}  // namespace

void decode(const Record& record, shmq::Bytes bytes, std::string& fields) {
    for (const Field& field : record.fields) {
        const std::byte* at = bytes.data() + field.offset;
        if (&field != record.fields.data()) fields += ',';
        fields += '"' + field.name + "\":";
        if (field.kind == Kind::text) {
            append_text(fields, shmq::text(bytes.subspan(field.offset, field.count)));
            continue;
        }
        if (field.array) fields += '[';
        with_type(field.kind, [&]<class T>(T*) {
            for (std::size_t i = 0; i < field.count; ++i, at += sizeof(T)) {
                if (i) fields += ',';
                append_value<T>(fields, at);
            }
        });
        if (field.array) fields += ']';
    }
}
