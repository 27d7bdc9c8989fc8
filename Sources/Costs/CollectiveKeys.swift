import Clusters
import Documents

/// The keys of `node.collectives`, in the order in which the reference shows them.
struct CollectiveKeys: KeySet {
  let measuredAt = TableKey(
    "measured-at", MeasuredLinkKeys(),
    "The links over which steps, levels and hops were measured: these follow the cluster's own.")
  let ring = TableKey(
    "ring", RingKeys(),
    "Rings through all ranks, by protocol: words with flags (ll), lines of 128 "
      + "bytes (ll128), whole chunks (simple).")
  let inSwitch = TableKey(
    "in-switch", InSwitchKeys(), otherwise: "the node's switches add nothing up",
    "All-reduces that the node's switch adds up (NVLS), along trees between nodes.")
  let tree = TableKey("tree", TreeKeys(), "Two binary trees between nodes.")
  let direct = TableKey("direct", DirectKeys(), "Messages straight to their destination.")
  let exchange = TableKey(
    "all-to-all", AllToAllKeys(), "All-to-alls: every rank sends to all others at once.")
  let straggling = Key(
    "straggling", .sourced(ConstantKind.fraction.expected), otherwise: "0",
    "Over n nodes bytes and hops on the network take (n / 2) to the power of this as long: the "
      + "wait for the slowest of many on a network that others use too.")
}

/// The keys of `measured-at`.
struct MeasuredLinkKeys: KeySet {
  let linkLatency = constant("link-latency", .latency, "Between two devices of a node.")
  let networkLatency = constant("network-latency", .time, "Between two nodes.")
}

/// The keys of `ring`.
struct RingKeys: KeySet {
  let lowLatency = TableKey("ll", StepKeys(), "Words of 8 bytes, half of them flags.")
  let lowLatency128 = TableKey("ll128", StepKeys(), "Lines of 128 bytes, 8 of them flags.")
  let simple = TableKey("simple", ChunkKeys(), "Whole chunks behind a fence.")
  let pairLoss = constant("pair-loss", .fraction, "The share that n ranks lose is this over n.")
  let multiprocessors = multiprocessorKey(
    "What the channels of collectives take from kernels beside them, and gathers of tokens where a plan "
      + "has no communication-sms.")
  let across = TableKey("across", HopKeys(), "Rings that leave their node.")
}

/// The keys of a protocol's ring inside a node.
struct StepKeys: KeySet, Described {
  let start = constant("start", .time, "An empty collective.")
  let step = constant("step", .time, "Every step to the next rank.")
  let linkShare = constant(
    "link-share", .share, "What it reaches of the link's bandwidth inside a node.")
}

/// The same with a pipeline of chunks.
struct ChunkKeys: KeySet {
  let steps = StepKeys()
  let fill = FillKeys()
}

/// The keys of what a pipeline of chunks waits for until it is full.
struct FillKeys: KeySet, Described {
  let seconds = constant("fill", .time, "What the pipeline waits for its first chunks, at most.")
  let bytes = constant("fill-bytes", .bytes, "The message from which on it is that much.")
}

/// The keys of rings between nodes.
struct HopKeys: KeySet {
  let lowLatencyHop = constant("ll-hop", .time, "A step to another node by ll.")
  let lowLatency128Hop = constant("ll128-hop", .time, "The same by ll128.")
  let hop = constant("hop", .time, "The same by whole chunks.")
  let overhead = constant(
    "overhead", .time, "What posting to the network takes at least in every step.")
  let networkShare = constant(
    "network-share", .share, "What it reaches of the adapters' bandwidth.")
  let partialNodeChannels = Key(
    "partial-node-channels", .sourced(.integer(in: 1...4096)),
    otherwise: "rings of all groups are alike",
    "Channels, for each of its ranks on a node, of a group with fewer there than the node has: as many "
      + "multiprocessors, and as much more of the adapters as whole nodes have fewer channels, up to "
      + "what trees reach.")
}

/// The keys of `in-switch`.
struct InSwitchKeys: KeySet {
  let fromRanks = constant("from-ranks", .ranks, "Ranks of a node from which on it is used.")
  let start = constant("start", .time, "An empty all-reduce inside a node.")
  let fill = FillKeys()
  let linkShare = constant("link-share", .share, "What it reaches of the link inside one node.")
  let linkShareAcross = constant(
    "link-share-across", .share, "The same beside trees between nodes.")
}

/// The keys of `tree`.
struct TreeKeys: KeySet {
  let lowLatencyLevel = constant("ll-level", .time, "A level up or down by ll.")
  let lowLatencyShare = constant(
    "ll-network-share", .share, "What ll reaches of the adapters' bandwidth.")
  let level = constant("level", .time, "A level up or down by whole chunks.")
  let fill = FillKeys()
  let networkShare = constant(
    "network-share", .share, "What whole chunks reach of the adapters' bandwidth.")
}

/// The keys of `direct`.
struct DirectKeys: KeySet {
  let linkStart = constant("link-start", .time, "An empty message inside a node.")
  let networkStart = constant("network-start", .time, "An empty message between nodes.")
  let linkShare = constant("link-share", .share, "What it reaches of the link's bandwidth.")
  let networkShare = constant(
    "network-share", .share, "What it reaches of the adapters' bandwidth.")
}

/// The keys of `all-to-all`.
struct AllToAllKeys: KeySet {
  let lowLatencyBytes = constant(
    "ll-bytes", .bytes, "A message up to which it goes as words with flags.")
  let lowLatencyBytesInside = constant(
    "ll-bytes-inside", .bytes, otherwise: "ll-bytes",
    "The same inside a node, where a message may have several channels.")
  let lowLatencyStart = constant("ll-start", .time, "An empty exchange of such messages.")
  let lowLatencyRate = constant(
    "ll-rate", .rate, "Bytes a second of each such message, inside a node of each channel.")
  let lowLatencyChannelBytes = constant(
    "ll-channel-bytes", .bytes, otherwise: "each such message has one channel",
    "Bytes of such a message for which it takes another channel inside a node, while there are any."
  )
  let start = constant("start", .time, "An exchange of larger ones inside a node.")
  let fill = Key(
    "fill", .sourced(ConstantKind.time.expected), otherwise: "0 s",
    "What such an exchange waits for its channels inside a node, at most.")
  let fillBytes = Key(
    "fill-bytes", .sourced(ConstantKind.bytes.expected), otherwise: "there is no fill",
    "A rank's bytes from which on it is that much: a chunk of each channel.")
  let channels = Key(
    "channels", .sourced(.integer(in: 1...4096)), otherwise: "32",
    "Channels that all messages of a rank share inside a node.")
  let channelBytes = constant(
    "channel-bytes", .bytes, otherwise: "every message takes its share of all",
    "Bytes of a larger message for which it takes another channel, while there are any.")
  let ownRate = constant(
    "own-rate", .rate, otherwise: "no time",
    "Bytes a second at which a rank copies its own part, inside a node.")
  let networkStart = constant(
    "network-start", .time, otherwise: "what a message takes more, of direct",
    "What an exchange between nodes starts later than one inside.")
  let linkShare = constant("link-share", .share, "What it reaches of the link's bandwidth.")
  let networkShare = constant(
    "network-share", .share, "What it reaches of the adapters' bandwidth.")
  let multiprocessors = multiprocessorKey(
    "What all-to-alls of tokens take where a plan has no communication-sms.")
}

/// The multiprocessors of a kind of collective; files that were written before the key existed mean NCCL.
private func multiprocessorKey(_ meaning: String) -> Key<Sourced<Int>> {
  Key(
    "multiprocessors", .sourced(.integer(in: 1...4096)),
    otherwise: "\(CollectiveConstants.usualMultiprocessors)", meaning)
}
