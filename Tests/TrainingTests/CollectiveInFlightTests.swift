import Collectives
import MessagePassing
import TestSupport
import Testing
import Training

/// Every collective of `Collectives`, carried out between ranks.
@Suite struct CollectiveInFlightTests {
  /// A vector of a position, in which whole numbers stand for every addition exactly.
  private static func values(_ position: Int, _ count: Int) -> [Float] {
    (0..<count).map { Float((position + 1) * 1000 + $0 * 7) }
  }

  /// Elements by the position that owns them; some have none.
  private static func lengths(_ size: Int) -> [Int] { (0..<size).map { ($0 * 5 + 3) % 7 } }

  private static func placements(_ size: Int) -> [Placement] {
    var all = [Placement(nodeSizes: [size])]
    if size >= 2 { all.append(Placement(nodes: (0..<size).map { $0 % 2 })) }
    if size >= 4 { all.append(Placement(nodeSizes: [1, size - 1])) }
    return all
  }

  /// The vectors of all positions behind a collective, and the messages that each has sent.
  private static func outcome(
    _ rounds: any Rounds, _ vectors: [[Float]]
  ) throws -> (vectors: [[Float]], sent: [[[Int]]]) {
    let size = vectors.count
    let outcomes = try withRanksAsThreads(size, timeout: Launch.hangLimit) { world in
      var vector = vectors[world.rank]
      var sent: [[Int]] = []
      let staging = UnsafeMutableRawBufferPointer.allocate(
        byteCount: CollectiveInFlight.stagingBytes(of: rounds, at: world.rank), alignment: 4)
      defer { staging.deallocate() }
      try vector.withUnsafeMutableBytes { bytes in
        let start = try #require(bytes.baseAddress)
        let collective = try CollectiveInFlight(
          rounds, .init(world, ranks: Array(0..<size), own: world.rank) { _, _ in 5 },
          .init(vector: start, staging: staging)
        ) { sent.append([$0, $1]) }
        try collective.finish()
        #expect(collective.isOver)
      }
      return (vector, sent)
    }
    return (outcomes.map(\.0), outcomes.map(\.1))
  }

  @Test(arguments: 1...6, Algorithm.allCases)
  func everyAlgorithmDoesWhatItIsDefinedToDo(size: Int, algorithm: Algorithm) throws {
    let lengths = Self.lengths(size)
    let chunks = Chunks(lengths: lengths.map { 4 * $0 })
    let count = chunks.bytes / 4
    let before = (0..<size).map { Self.values($0, count) }
    let sums = (0..<count).map { index in before.reduce(0) { $0 + $1[index] } }
    for placement in Self.placements(size) {
      for collective in [Collective.allReduce, .reduceScatter, .allGather]
      where collective.admits(algorithm, groupSize: size) {
        let rounds = collective.rounds(algorithm, chunks, on: placement, unit: 4)
        let (after, sent) = try Self.outcome(rounds, before)
        for position in 0..<size {
          let expected: [[Int]] = (0..<rounds.roundCount).flatMap { round in
            rounds.messages(of: position, inRound: round).sent.map { [$0.destination, $0.bytes] }
          }
          #expect(sent[position] == expected, "\(collective) by \(algorithm) on \(placement.nodes)")
          for owner in 0..<size {
            let range = chunks[owner].lowerBound / 4..<chunks[owner].upperBound / 4
            switch collective {
            case .allGather: #expect(after[position][range] == before[owner][range])
            case .reduceScatter where owner != position: continue
            default: #expect(after[position][range] == sums[range])
            }
          }
        }
      }
    }
  }

  /// Positions 0 and 2 hold two terms each, position 1 one: five vectors, three terms.
  private static let terms = [[0, 2], [1], [0, 1]]

  /// Bits are those of the fold that `treeFold(terms:)` says, whoever owns a part of the sum.
  @Test func termsAreFoldedInTheirOrder() throws {
    let chunks = Chunks(lengths: [8, 12, 4])
    let scales: [Float] = [1, 1e7, 3.3, 1e-3, 7.7]
    let vectors = scales.map { scale in (0..<6).map { scale * (1 + Float($0) / 3) } }
    @Sendable func vector(_ position: Int, _ term: Int) -> [Float] {
      let before = Self.terms[..<position].reduce(0) { $0 + $1.count }
      return vectors[before + (Self.terms[position].firstIndex(of: term) ?? 0)]
    }
    // By hand: term 0 of 0 and 2, term 1 of 1 and 2, term 2 of 0.
    let expected = (0..<6).map { index -> Float in
      let first = vector(0, 0)[index] + vector(2, 0)[index]
      let second = vector(1, 1)[index] + vector(2, 1)[index]
      return (first + second) + vector(0, 2)[index]
    }
    let results = try withRanksAsThreads(3, timeout: Launch.hangLimit) { world -> [Float] in
      let own = world.rank
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 6 * 8)
      memory.initialize(repeating: 0)
      defer { memory.deallocate() }
      let start = try #require(memory.baseAddress)
      let terms = Self.terms[own].enumerated().map { place, term in
        for (index, value) in vector(own, term).enumerated() { start[6 * place + index] = value }
        return (number: term, vector: UnsafeMutableRawPointer(start + 6 * place))
      }
      let rounds = Collective.allReduce.direct(chunks, terms: Self.terms)
      let collective = try CollectiveInFlight(
        rounds, .init(world, ranks: [0, 1, 2], own: own) { _, _ in 1 },
        .init(
          vector: start, terms: terms,
          staging: UnsafeMutableRawBufferPointer(start: start + 12, count: 4 * 36)))
      try collective.finish()
      return Array(memory[..<6])
    }
    for result in results { #expect(result.map(\.bitPattern) == expected.map(\.bitPattern)) }
  }

  /// Ranks that go on with their collectives in different orders, and only as messages come, get there all
  /// the same.
  @Test func severalAreUnderWayAtOnce() throws {
    let size = 4
    let chunks = Chunks(lengths: [400, 0, 800, 400])
    let rounds = [Algorithm.ring, .direct, .hierarchical, .tree, .halving].map {
      Collective.allReduce.rounds(
        $0, chunks, on: Placement(nodes: [0, 1, 0, 1]), unit: 4)
    }
    let results = try withRanksAsThreads(size, timeout: Launch.hangLimit) { world -> [[Float]] in
      let staging = rounds.map {
        UnsafeMutableRawBufferPointer.allocate(
          byteCount: CollectiveInFlight.stagingBytes(of: $0, at: world.rank), alignment: 4)
      }
      let vectors = rounds.indices.map { number in
        let vector = UnsafeMutableBufferPointer<Float>.allocate(capacity: 400)
        _ = vector.initialize(from: Self.values(world.rank + number, 400))
        return vector
      }
      defer {
        for buffer in staging { buffer.deallocate() }
        for vector in vectors { vector.deallocate() }
      }
      var open: [CollectiveInFlight] = []
      for (number, one) in rounds.enumerated() {
        let start = try #require(vectors[number].baseAddress)
        open.append(
          try CollectiveInFlight(
            one, .init(world, ranks: Array(0..<size), own: world.rank) { _, _ in number },
            .init(vector: start, staging: staging[number])))
      }
      if world.rank % 2 == 1 { open.reverse() }
      let end = ContinuousClock.now + Launch.hangLimit
      while open.contains(where: { !$0.isOver }) {
        try #require(ContinuousClock.now < end, "ranks wait for each other")
        try world.progress()
        for collective in open { try collective.advance() }
      }
      return vectors.map { Array($0) }
    }
    for number in rounds.indices {
      let sums = (0..<400).map { index in
        (0..<size).reduce(Float(0)) { $0 + Self.values($1 + number, 400)[index] }
      }
      for result in results { #expect(result[number] == sums) }
    }
  }

  /// What a rank knows of an exchange is enough for its part in it: blocks come to lie by source.
  @Test(arguments: 1...5) func blocksAreExchanged(size: Int) throws {
    let rows = (0..<size).map { source in (0..<size).map { (source * 3 + $0 * 5 + 1) % 4 } }
    let arrived = try withRanksAsThreads(size, timeout: Launch.hangLimit) { world -> [Int64] in
      let own = world.rank
      let counts = RowCounts(
        sent: rows[own], received: rows.map { $0[own] }, at: own)
      let exchange = ExpertExchange(
        counts, rowBytes: 8, on: Placement(nodeSizes: [size])
      ).directDispatch
      var packed = rows[own].enumerated().flatMap { destination, count in
        (0..<count).map { Int64(own * 100 + destination * 10 + $0) }
      }
      var result = [Int64](repeating: -1, count: rows.reduce(0) { $0 + $1[own] })
      let kept = exchange.ownBlock(of: own)
      try packed.withUnsafeMutableBytes { from in
        try result.withUnsafeMutableBytes { to in
          guard let from = from.baseAddress, let to = to.baseAddress else { return }
          (to + kept.destinationOffset).copyMemory(
            from: from + kept.sourceOffset, byteCount: kept.bytes)
          let collective = try CollectiveInFlight(
            exchange, .init(world, ranks: Array(0..<size), own: own) { _, _ in 3 },
            .init(from: from, to: to))
          try collective.finish()
        }
      }
      return result
    }
    for destination in 0..<size {
      let expected = (0..<size).flatMap { source in
        (0..<rows[source][destination]).map { Int64(source * 100 + destination * 10 + $0) }
      }
      #expect(arrived[destination] == expected)
    }
  }
}
