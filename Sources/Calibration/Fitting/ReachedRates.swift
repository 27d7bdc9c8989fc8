import Clusters

/// The most that any row got of a link inside a node and of an adapter, bytes a second each way.
///
/// Where a test of messages decides a rate it is that one: bytes of messages without an end got it.
struct ReachedRates {
  var link = 0.0
  var adapter = 0.0

  init(_ all: Measurements, _ base: Cluster) {
    let devices = base.node.devices.value
    let adapters = base.node.adapters?.count.value ?? devices
    for one in all.collectives {
      let nodes = one.nodes ?? 1
      let perNode = one.ranks / max(1, nodes)
      let bus = one.bytes * NCCLTests.busFactor(one.kind, one.ranks) / one.seconds
      guard nodes > 1 else {
        link = max(link, bus)
        continue
      }
      // Of an all-to-all the parts for other nodes leave it, of what goes round all does, through each rank's own way.
      let isDirect = one.kind == .allToAll
      let far = Double(one.ranks - perNode) / Double(one.ranks)
      if perNode > 1 {
        let near = Double(perNode - 1) / Double(one.ranks)
        link = max(link, isDirect ? one.bytes * near / one.seconds : bus)
      }
      let out =
        isDirect
        ? one.bytes * far / one.seconds * Double(perNode)
        : one.kind == .send ? bus * Double(perNode) : bus
      adapter = max(adapter, out / Double(max(1, min(adapters, perNode))))
    }
    for one in all.messages where one.way != .adapter {
      let rate = one.bytes / one.seconds
      if one.way == .insideNode { link = max(link, rate) } else { adapter = max(adapter, rate) }
    }
    for one in all.exchanges {
      let bytes = one.shape.rowBytes / one.seconds
      link = max(link, one.shape.nvlinkRows * bytes)
      let ways = min(1, Double(adapters) / Double(devices))
      adapter = max(adapter, one.shape.networkRows * bytes / ways)
    }
  }

  /// Takes up a rate that was fitted to messages.
  mutating func raise(by part: FittedPart) {
    guard let found = part.rate else { return }
    if found.way == .insideNode {
      link = max(link, found.bytes)
    } else {
      adapter = max(adapter, found.bytes)
    }
  }
}
