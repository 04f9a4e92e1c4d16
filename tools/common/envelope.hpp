// -J: a message in a JSON object of one line, {"data":"..."} or, where it is not UTF-8, {"base64":"..."}.
// What pop adds (seq, len, ...) push takes back without a word: `pop -J | push -J` works. Of a ring with a
// record layout: the fields of a record.
#pragma once

#include "common/framing.hpp"

Cut cut_json(const Framing& framing, const Uncut& input, const Shape& ring, std::vector<shmq::Bytes>& messages);
bool put_json(const Framing& framing, shmq::Bytes message, const Origin& origin, const Shape& ring, Output& out);
