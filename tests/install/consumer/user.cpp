// Uses both sides of a ring that the commands made, and answers what it got.
#include <iostream>
#include <shmq/shmq.hpp>

int main(int, char** argv) {
    shmq::Consumer in(argv[1]);
    shmq::Producer out(argv[2]);
    while (auto message = in.pop(shmq::no_wait)) {
        if (out.push(message.bytes()) != shmq::Outcome::ok || message.release() != shmq::Outcome::ok) return 1;
    }
    std::cout << shmq::stat(argv[2]).pushed << '\n';
}
