// The handles: what shmq.hpp declares, on top of an Attachment.
#include <shmq/shmq.hpp>

#include "participants.hpp"

namespace shmq {
namespace detail {

void AttachmentDelete::operator()(Attachment* attachment) const noexcept { delete attachment; }

template <class Core>
Core* core_of(Attachment& attachment) noexcept {
    if constexpr (std::is_same_v<Core, ProducerCore>) return attachment.producer();
    else if constexpr (std::is_same_v<Core, ConsumerCore>) return attachment.consumer();
    else return attachment.watcher();
}

}  // namespace detail

template <class Core>
Handle<Core>::Handle(detail::AttachmentPtr attachment) : attachment_(std::move(attachment)), core_(detail::core_of<Core>(*attachment_)) {}
template <class Core>
std::string_view Handle<Core>::record() const noexcept { return attachment_->record(); }
template <class Core>
std::uint64_t Handle<Core>::producers_attached() const noexcept { return attachment_->attached(detail::role_producer); }
template <class Core>
std::uint64_t Handle<Core>::consumers_attached() const noexcept { return attachment_->attached(detail::role_consumer); }
template <class Core>
std::uint64_t Handle<Core>::producers_ever() const noexcept { return attachment_->producers_ever(); }
template <class Core>
std::uint64_t Handle<Core>::producers_ended_badly() const noexcept { return attachment_->producers_ended_badly(); }
template <class Core>
void Handle<Core>::leave_badly() noexcept { attachment_->leave_badly(); }

template class Handle<detail::ProducerCore>;
template class Handle<detail::ConsumerCore>;
template class Handle<detail::WatcherCore>;

Producer::Producer(std::string_view name, const AttachOptions& options)
    : Handle(detail::AttachmentPtr(new detail::Attachment(name, detail::role_producer, options))) {}
Consumer::Consumer(std::string_view name, const AttachOptions& options)
    : Handle(detail::AttachmentPtr(new detail::Attachment(name, detail::role_consumer, options))) {}
Watcher::Watcher(std::string_view name, const AttachOptions& options)
    : Handle(detail::AttachmentPtr(new detail::Attachment(name, detail::role_watcher, options))) {}

static std::string side_of(std::string_view name, Side side) { return detail::checked_bare_name(name) + (side == Side::a ? "/a" : "/b"); }

Endpoint::Endpoint(std::string_view name, Side side, const AttachOptions& options) : out_(side_of(name, side), options), in_(side_of(name, side), options) {}

bool holds(const Status& status, Condition condition) noexcept {
    switch (condition) {
        case Condition::empty: return status.messages == 0;
        case Condition::nonempty: return status.messages != 0;
        case Condition::full: return status.used >= status.slots;
        case Condition::reader: return status.readers != 0;
        case Condition::writer: return status.writers != 0;
        case Condition::ended: return status.state == RingState::ended;
    }
    return false;
}

}  // namespace shmq
