import Clusters
import Documents

extension CollectiveConstants {
  /// Collectives on a cluster: the links that it describes and its section `node.collectives`.
  ///
  /// Throws `ConfigurationError` where a constant is missing, unknown or impossible.
  public init(_ cluster: Cluster) throws(ConfigurationError) {
    let section = try cluster.node.collectives.constants("collectives")
    let keys = CollectiveKeys()
    let link = cluster.node.link
    (linkBandwidth, linkReached) = (
      link.rate.bandwidth.value.value, link.rate.reached.value.value
    )
    (networkBandwidth, networkReached) = cluster.networkBandwidth
    ranksOfNode = cluster.node.devices.value
    linkLatency = link.latency.value.value
    networkLatency = cluster.networkLatency
    let measured = try section.table(keys.measuredAt)
    measuredLinkLatency = try measured.constant(keys.measuredAt.linkLatency)
    measuredNetworkLatency = try measured.constant(keys.measuredAt.networkLatency)
    let ring = try section.table(keys.ring)
    lowLatency = try Steps(ring.table(keys.ring.lowLatency), keys.ring.lowLatency.keys)
    lowLatency128 = try Steps(ring.table(keys.ring.lowLatency128), keys.ring.lowLatency128.keys)
    simple = try Steps(ring.table(keys.ring.simple), keys.ring.simple.keys)
    pairLoss = try ring.constant(keys.ring.pairLoss)
    rings = try Rings(ring.table(keys.ring.across), keys.ring.across.keys)
    trees = try Trees(section.table(keys.tree), keys.tree.keys)
    ringMultiprocessors =
      try ring.optional(keys.ring.multiprocessors)?.value ?? Self.usualMultiprocessors
    direct = try Direct(section.table(keys.direct), keys.direct.keys)
    let exchange = try section.table(keys.exchange)
    self.exchange = try Exchange(exchange, keys.exchange.keys)
    exchangeMultiprocessors =
      try exchange.optional(keys.exchange.multiprocessors)?.value ?? Self.usualMultiprocessors
    straggling = try section.optional(keys.straggling)?.value ?? 0
    inSwitch = try section.optionalTable(keys.inSwitch).map { table throws(ConfigurationError) in
      try InSwitch(table, keys.inSwitch.keys)
    }
    try section.finish()
  }

  /// Blocks that NCCL launches for sends and receives, and channels of its rings, on devices of this kind
  /// (NVIDIA/nccl issues 1598 and 1453: 16 each on H100s).
  static let usualMultiprocessors = 16
}

extension CollectiveConstants.Steps {
  fileprivate init(_ table: Table, _ keys: StepKeys) throws(ConfigurationError) {
    start = try table.constant(keys.start)
    step = try table.constant(keys.step)
    linkShare = try table.constant(keys.linkShare)
    fill = .none
  }

  fileprivate init(_ table: Table, _ keys: ChunkKeys) throws(ConfigurationError) {
    try self.init(table, keys.steps)
    fill = try CollectiveConstants.Fill(table, keys.fill)
  }
}

extension CollectiveConstants.Fill {
  fileprivate init(_ table: Table, _ keys: FillKeys) throws(ConfigurationError) {
    seconds = try table.constant(keys.seconds)
    bytes = try table.constant(keys.bytes)
  }
}

extension CollectiveConstants.InSwitch {
  fileprivate init(_ table: Table, _ keys: InSwitchKeys) throws(ConfigurationError) {
    fromRanks = Int(try table.constant(keys.fromRanks))
    start = try table.constant(keys.start)
    fill = try CollectiveConstants.Fill(table, keys.fill)
    linkShare = try table.constant(keys.linkShare)
    linkShareAcross = try table.constant(keys.linkShareAcross)
  }
}

extension CollectiveConstants.Trees {
  fileprivate init(_ table: Table, _ keys: TreeKeys) throws(ConfigurationError) {
    lowLatencyLevel = try table.constant(keys.lowLatencyLevel)
    lowLatencyShare = try table.constant(keys.lowLatencyShare)
    level = try table.constant(keys.level)
    fill = try CollectiveConstants.Fill(table, keys.fill)
    networkShare = try table.constant(keys.networkShare)
  }
}

extension CollectiveConstants.Rings {
  fileprivate init(_ table: Table, _ keys: HopKeys) throws(ConfigurationError) {
    lowLatencyHop = try table.constant(keys.lowLatencyHop)
    lowLatency128Hop = try table.constant(keys.lowLatency128Hop)
    hop = try table.constant(keys.hop)
    overhead = try table.constant(keys.overhead)
    networkShare = try table.constant(keys.networkShare)
    partialNodeChannels = try table.optional(keys.partialNodeChannels)?.value
  }
}

extension CollectiveConstants.Direct {
  fileprivate init(_ table: Table, _ keys: DirectKeys) throws(ConfigurationError) {
    linkStart = try table.constant(keys.linkStart)
    networkStart = try table.constant(keys.networkStart)
    linkShare = try table.constant(keys.linkShare)
    networkShare = try table.constant(keys.networkShare)
  }
}

extension CollectiveConstants.Exchange {
  fileprivate init(_ table: Table, _ keys: AllToAllKeys) throws(ConfigurationError) {
    lowLatencyBytes = try table.constant(keys.lowLatencyBytes)
    lowLatencyStart = try table.constant(keys.lowLatencyStart)
    lowLatencyRate = try table.constant(keys.lowLatencyRate)
    start = try table.constant(keys.start)
    fill = .none
    if let seconds = try table.optional(keys.fill)?.value {
      fill = CollectiveConstants.Fill(
        seconds: seconds, bytes: try table.required(keys.fillBytes).value)
    } else if try table.optional(keys.fillBytes) != nil {
      throw table.error("has no effect without fill", at: keys.fillBytes)
    }
    lowLatencyBytesInside =
      try table.optional(keys.lowLatencyBytesInside)?.value ?? lowLatencyBytes
    channels = try CollectiveConstants.Channels(table, keys)
    ownRate = try table.optional(keys.ownRate)?.value ?? .infinity
    networkStart = try table.optional(keys.networkStart)?.value
    linkShare = try table.constant(keys.linkShare)
    networkShare = try table.constant(keys.networkShare)
  }
}

extension CollectiveConstants.Channels {
  fileprivate init(_ table: Table, _ keys: AllToAllKeys) throws(ConfigurationError) {
    let own = try table.optional(keys.channels)?.value
    let bytes = try table.optional(keys.channelBytes)?.value
    let lowLatencyBytes = try table.optional(keys.lowLatencyChannelBytes)?.value
    if bytes != nil, try table.optional(keys.fill) == nil {
      throw table.error("has no effect without fill", at: keys.channelBytes)
    }
    if own != nil, bytes == nil, lowLatencyBytes == nil {
      throw table.error(
        "has no effect without channel-bytes or ll-channel-bytes", at: keys.channels)
    }
    count = Double(own ?? 32)
    self.bytes = bytes ?? 0
    self.lowLatencyBytes = lowLatencyBytes ?? .infinity
  }
}

extension Table {
  /// A constant with its source.
  fileprivate func constant(_ key: Key<Sourced<Double>>) throws(ConfigurationError) -> Double {
    try required(key).value
  }
}
