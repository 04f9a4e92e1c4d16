#include "stat/view.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int signals_we_take[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

// The other screen of the terminal, keys one by one, and signals as something to read. Undone when it
// goes, by an exception too.
class Screen {
public:
    Screen() {
        sigset_t set;
        sigemptyset(&set);
        for (const int signal : signals_we_take) sigaddset(&set, signal);
        sigprocmask(SIG_BLOCK, &set, &old_mask_);
        signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals_ < 0 || tcgetattr(STDIN_FILENO, &old_) != 0) throw Failure(Exit::os, fmt::format("the terminal: {}", std::strerror(errno)));
        enter();
    }
    ~Screen() {
        leave();
        if (signals_ >= 0) close(signals_);
        sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    int signals() const noexcept { return signals_; }
    int next_signal() const noexcept {
        signalfd_siginfo info{};
        return read(signals_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
    }
    void enter() {
        termios raw = old_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        raw.c_cc[VMIN] = 1, raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        entered_ = true;
        put("\033[?1049h\033[?25l");
    }
    void leave() noexcept {
        if (!std::exchange(entered_, false)) return;
        constexpr std::string_view undo = "\033[?25h\033[?1049l";
        [[maybe_unused]] const ssize_t wrote = write(STDOUT_FILENO, undo.data(), undo.size());
        tcsetattr(STDIN_FILENO, TCSANOW, &old_);
    }
    // A terminal that has gone ends us in order.
    void put(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t wrote = write(STDOUT_FILENO, text.data(), text.size());
            if (wrote >= 0) text.remove_prefix(static_cast<std::size_t>(wrote));
            else if (errno == EAGAIN) wait_for_room();
            else if (errno != EINTR) throw Failure(Exit::io, fmt::format("stdout: {}", std::strerror(errno)));
        }
    }
    void size(std::size_t& width, std::size_t& height) const noexcept {
        winsize now{};
        const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) == 0;
        width = known && now.ws_col ? now.ws_col : 80;
        height = known && now.ws_row ? now.ws_row : 24;
    }

private:
    static void wait_for_room() noexcept {
        pollfd out{STDOUT_FILENO, POLLOUT, 0};
        poll(&out, 1, -1);
    }
    termios old_{};
    sigset_t old_mask_{};
    int signals_ = -1;
    bool entered_ = false;
};

constexpr const char* help[] = {
    "q        quit",
    "P        participants, and back",
    "s        sort by the next column (text upwards, numbers downwards)",
    "up down  choose a ring (also k and j)",
    "d        remove the chosen ring, after a question",
    "S        sweep: remove empty rings unused for a minute, after a question",
    "?        this help, and back",
};

class Viewing {
public:
    explicit Viewing(View view) : view_(std::move(view)), colour_(!std::getenv("NO_COLOR") || !*std::getenv("NO_COLOR")) {}

    Exit run() {
        Screen screen;
        screen_ = &screen;
        std::uint64_t samples = 0;
        while (!done_) {
            take_sample();
            ++samples;
            const auto next = shmq::after(view_.interval);
            draw();
            if (view_.samples && samples == view_.samples) break;
            while (!done_ && !again_ && wait_until(next)) draw();
            again_ = false;
        }
        screen.leave();
        if (death_) die_of(death_);
        return Exit::ok;
    }

private:
    enum class Asking { nothing, remove, sweep };

    void take_sample() {
        rings_ = view_.sample();
        members_ = view_.participants ? members_of(rings_) : std::vector<Member>();
    }

    // True: something has happened that shows. False: the time has come.
    bool wait_until(shmq::Deadline next) {
        const auto now = shmq::Clock::now();
        if (now >= next) return false;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::min<std::chrono::nanoseconds>(next - now, std::chrono::hours(1)));
        pollfd both[] = {{STDIN_FILENO, POLLIN, 0}, {screen_->signals(), POLLIN, 0}};
        if (poll(both, 2, static_cast<int>(left.count())) <= 0) return shmq::Clock::now() < next;
        while (const int signal = screen_->next_signal()) take_signal(signal);
        if (both[0].revents && !death_) take_keys();
        return true;
    }

    void take_signal(int signal) {
        if (signal == SIGWINCH) return;
        if (signal == SIGTSTP || signal == SIGCONT) {
            screen_->leave();
            if (signal == SIGTSTP) raise(SIGSTOP);
            screen_->enter();
            return;
        }
        death_ = signal;
        done_ = true;
    }

    void take_keys() {
        char keys[64];
        const ssize_t got = read(STDIN_FILENO, keys, sizeof keys);
        if (got <= 0) done_ = got == 0 || errno != EINTR;  // nobody is at the terminal any more
        for (std::string_view rest(keys, got > 0 ? static_cast<std::size_t>(got) : 0); !rest.empty();) {
            if (rest.starts_with("\033[A") || rest.starts_with("\033[B")) {
                take_key(rest[2] == 'A' ? 'k' : 'j');
                rest.remove_prefix(3);
            } else {
                take_key(rest[0]);
                rest.remove_prefix(1);
            }
        }
    }

    void take_key(char key) {
        const Asking asked = std::exchange(asking_, Asking::nothing);
        message_.clear();
        if (asked != Asking::nothing) {
            if (key == 'y' || key == 'Y') asked == Asking::remove ? remove() : sweep();
            else message_ = "no";
            return;
        }
        switch (key) {
            case 'q': done_ = true; break;
            case 'P':
                view_.participants = !view_.participants;
                again_ = true;
                sort_ = chosen_ = 0;
                break;
            case 's': ++sort_; break;
            case 'j': ++chosen_; break;
            case 'k': chosen_ -= chosen_ > 0; break;
            case 'd': ask_to_remove(); break;
            case 'S': ask_to_sweep(); break;
            case '?': helping_ = !helping_; break;
            default: break;
        }
    }

    void ask_to_remove() {
        if (chosen_name_.empty()) return;
        asking_ = Asking::remove;
        victim_ = chosen_name_;
        message_ = fmt::format("remove {}? (y/n)", victim_);
    }
    void remove() try {
        shmq::remove(victim_);
        message_ = victim_ + ": removed";
        again_ = true;
    } catch (const shmq::Error& error) {
        message_ = error.what();
    }

    std::size_t swept(bool dry_run) {
        shmq::SweepOptions options;
        options.dry_run = dry_run;
        return static_cast<std::size_t>(std::ranges::count(shmq::sweep(options), shmq::Fate::removed, &shmq::Swept::fate));
    }
    void ask_to_sweep() try {
        const std::size_t stale = swept(true);
        asking_ = stale ? Asking::sweep : Asking::nothing;
        message_ = stale ? fmt::format("remove {} stale ring{}? (y/n)", stale, stale == 1 ? "" : "s") : "no stale rings";
    } catch (const shmq::Error& error) {
        message_ = error.what();
    }
    void sweep() try {
        message_ = fmt::format("{} removed", swept(false));
        again_ = true;
    } catch (const shmq::Error& error) {
        message_ = error.what();
    }

    template <class Row>
    void sort(std::vector<Row>& rows, const Columns<Row>& columns) {
        sort_ %= columns.size();
        const auto* const column = columns[sort_];
        sorted_by_ = column->name;
        std::ranges::stable_sort(rows, [&](const Row& a, const Row& b) { return column->right ? column->value(a) > column->value(b) : column->value(a) < column->value(b); });
    }

    static std::string fit(std::string line, std::size_t width) {
        if (line.size() <= width) return line;
        while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xc0) == 0x80) --width;  // no half of a character
        line.resize(width);
        return line;
    }

    std::vector<std::string> table() {
        std::string text;
        Style style = view_.style;
        style.no_headings = false;
        if (view_.participants) {
            sort(members_, view_.member_columns);
            text = as_table(members_, view_.member_columns, style);
        } else {
            sort(rings_, view_.ring_columns);
            text = as_table(rings_, view_.ring_columns, style);
        }
        std::vector<std::string> lines;
        for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) lines.push_back(text.substr(0, end));
        return lines;
    }

    void draw() {
        std::size_t width = 80, height = 24;
        screen_->size(width, height);
        std::vector<std::string> lines = table();
        const std::size_t rows = lines.size() - 1, room = height > 3 ? height - 3 : 0;
        chosen_ = rows ? std::min(chosen_, rows - 1) : 0;
        chosen_name_ = !rows ? std::string() : view_.participants ? members_[chosen_].ring : rings_[chosen_].name;
        const std::size_t first = chosen_ >= room ? chosen_ - room + (room > 0) : 0;

        std::string frame = "\033[H";
        std::size_t drawn = 0;
        const auto put = [&](const std::string& line, bool heading = false) {
            if (drawn == height) return;
            if (drawn++) frame += "\r\n";
            if (heading && colour_) frame += "\033[7m";
            frame += fit(line, width);
            if (heading && colour_) frame += "\033[m";
            frame += "\033[K";
        };
        put(fmt::format("{}: {} ring{}, by {}", shmq::directory(), rings_.size(), rings_.size() == 1 ? "" : "s", sorted_by_));
        if (helping_) {
            for (const char* line : help) put(line);
        } else {
            put("  " + lines[0], true);
            for (std::size_t i = first; i < rows && i - first < room; ++i) put((i == chosen_ ? "> " : "  ") + lines[i + 1]);
        }
        while (drawn + 1 < height) put("");
        put(message_.empty() ? "q quit  P participants  s sort  d remove  S sweep  ? help" : message_);
        screen_->put(frame);
    }

    View view_;
    const bool colour_;
    Screen* screen_ = nullptr;
    std::vector<RingRow> rings_;
    std::vector<Member> members_;
    std::size_t sort_ = 0, chosen_ = 0;
    std::string sorted_by_, chosen_name_, victim_, message_;
    Asking asking_ = Asking::nothing;
    bool helping_ = false, done_ = false, again_ = false;
    int death_ = 0;
};

}  // namespace

bool can_show_view() noexcept {
    const char* const term = std::getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term && std::string_view(term) != "dumb";
}

Exit show_view(View view) { return Viewing(std::move(view)).run(); }
