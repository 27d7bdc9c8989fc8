import Clusters
import Costs
import Documents
import Quantities

extension Calibrator {
  /// Fits what goes over links: messages first, then collectives and exchanges over the links as these leave them.
  ///
  /// Whatever the order of files, a collective is so fitted over the latencies and the rates that the written file has.
  func links(
    of all: Measurements, _ rates: inout ReachedRates, file: String
  ) throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    func messages(
      _ ways: [MeasuredMessage.Way], _ base: Cluster
    ) throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
      let own = all.messages.filter { ways.contains($0.way) }
      return try MessageParts(base: base, measured: own, facts: facts).parts()
    }
    let adapters = try messages([.adapter], base)
    let libraries = try messages(
      [.insideNode, .betweenNodes], linked(adapters.0.flatMap(\.constants), file: file))
    let found = (adapters.0 + libraries.0).flatMap(\.constants)
    for part in libraries.0 { rates.raise(by: part) }
    var collectives: ([FittedPart], [Unfittable]) = ([], [])
    if !all.collectives.isEmpty {
      let cluster = try linked(found + raised(rates, besides: found), file: file)
      var constants = try CollectiveConstants(cluster)
      collectives = try CollectiveParts(base: cluster, measured: all.collectives).parts(&constants)
    }
    let exchanges = try ExchangeParts(
      base: linked(found, file: file), measured: all.exchanges
    ).parts()
    let every = [collectives, adapters, libraries, exchanges]
    return (every.flatMap(\.0), every.flatMap(\.1))
  }

  /// The base with some constants in place of its own.
  private func linked(
    _ constants: [FittedConstant], file: String
  ) throws(ConfigurationError) -> Cluster {
    if constants.isEmpty { return base }
    return try Cluster(
      Document(text: text(of: constants, name: base.name, file: file), name: file))
  }

  /// What a link reached is the ceiling of what is found, as the file will have it.
  private func raised(
    _ rates: ReachedRates, besides found: [FittedConstant]
  ) -> [FittedConstant] {
    var raised: [FittedConstant] = []
    func raise(_ path: String, _ rate: LinkRate, _ seen: Double) {
      let reached = min(seen, rate.bandwidth.value.value)
      guard reached > rate.reached.value.value, !found.contains(where: { $0.path == path }) else {
        return
      }
      raised.append(
        FittedConstant(path: path, text: "\(reached / 1e9) GB/s", source: "the most that was got"))
    }
    raise("node.link.reached", base.node.link.rate, rates.link)
    if let adapters = base.node.adapters {
      raise("node.adapters.reached", adapters.rate, rates.adapter)
    }
    return raised
  }

  /// What links reached, where rows got more than the base says: no further than they got, since the shares that
  /// are fitted are of messages without an end.
  func ceilings(_ parts: [FittedPart], _ rates: ReachedRates) -> [FittedConstant] {
    func most(_ names: [String]) -> (share: Double, source: String)? {
      parts.flatMap(\.constants).filter { constant in
        names.contains { constant.path.hasSuffix($0) }
      }.compactMap { constant in
        constant.text.flatMap { Double($0) }.map { ($0, constant.source) }
      }.max { $0.0 < $1.0 }
    }
    var ceilings: [FittedConstant] = []
    func add(_ path: String, _ names: [String], _ rate: LinkRate, _ seen: Double) {
      guard !parts.contains(where: { $0.constants.contains { $0.path == path } }),
        let (share, source) = most(names)
      else { return }
      let reached = min(min(1, share) * rate.bandwidth.value.value, seen)
      guard reached > rate.reached.value.value else { return }
      ceilings.append(
        FittedConstant(
          path: path,
          text: "\(figuresUp(reached / 1e9, atMost: rate.bandwidth.value.value / 1e9)) GB/s",
          source: "the most that any of these got: \(source)"))
    }
    add(
      "node.link.reached", [".link-share", ".link-share-across"], base.node.link.rate, rates.link)
    if let adapters = base.node.adapters {
      add("node.adapters.reached", [".network-share"], adapters.rate, rates.adapter)
    }
    return ceilings
  }

  /// Four figures, rounded up but to no more than a share of one in ten thousand: a ceiling must not cut.
  private func figuresUp(_ value: Double, atMost limit: Double) -> String {
    figures(value * 1.00005, atMost: limit)
  }
}
