import Collectives
import Testing

/// Every algorithm, executed in memory, does what the collective is defined to do.
@Suite struct DefinitionTests {
  @Test(arguments: 1...17, Algorithm.allCases)
  func allReduceGivesEverybodyTheSum(size: Int, algorithm: Algorithm) {
    for (placement, chunks) in cases(size) {
      let before = inputs(size, bytes: chunks.bytes)
      var vectors = before
      execute(
        Collective.allReduce.rounds(algorithm, chunks, on: placement, unit: 4), on: &vectors)
      let sums = (0..<chunks.bytes).map { index in before.reduce(0) { $0 + $1[index] } }
      #expect(vectors == [[Int]](repeating: sums, count: size), "\(placement.nodes)")
    }
  }

  @Test(arguments: 1...17, [Algorithm.ring, .halving, .hierarchical, .direct])
  func reduceScatterGivesTheOwnerItsSum(size: Int, algorithm: Algorithm) {
    guard Collective.reduceScatter.admits(algorithm, groupSize: size) else { return }
    for (placement, chunks) in cases(size) {
      let before = inputs(size, bytes: chunks.bytes)
      var vectors = before
      execute(
        Collective.reduceScatter.rounds(algorithm, chunks, on: placement, unit: 1), on: &vectors)
      for position in 0..<size {
        for index in chunks[position] {
          #expect(vectors[position][index] == before.reduce(0) { $0 + $1[index] })
        }
      }
    }
  }

  @Test(arguments: 1...17, [Algorithm.ring, .halving, .hierarchical, .direct])
  func allGatherGivesEverybodyEveryChunk(size: Int, algorithm: Algorithm) {
    guard Collective.allGather.admits(algorithm, groupSize: size) else { return }
    for (placement, chunks) in cases(size) {
      let all = Array(1..<1 + chunks.bytes)
      var vectors = (0..<size).map { position in
        all.indices.map { chunks[position].contains($0) ? all[$0] : 0 }
      }
      execute(
        Collective.allGather.rounds(algorithm, chunks, on: placement, unit: 1), on: &vectors)
      #expect(vectors == [[Int]](repeating: all, count: size), "\(placement.nodes)")
    }
  }

  @Test(arguments: 1...17, [Algorithm.tree, .hierarchical, .direct])
  func broadcastGivesEverybodyTheRootsVector(size: Int, algorithm: Algorithm) {
    for root in 0..<size {
      for placement in placements(size) {
        let chunks = Chunks(bytes: 8, parts: size, unit: 4)
        var vectors = inputs(size, bytes: 8)
        let expected = vectors[root]
        let rounds = Collective.broadcast(root: root).rounds(
          algorithm, chunks, on: placement, unit: 4)
        execute(rounds, on: &vectors)
        #expect(vectors == [[Int]](repeating: expected, count: size))
        #expect(rounds.totalBytes == 8 * (size - 1))
      }
    }
  }

  @Test(arguments: 1...17, [false, true])
  func allToAllTransposesTheBlocks(size: Int, inOneRound: Bool) {
    let counts = (0..<size).map { source in (0..<size).map { (source * 3 + $0 * 5) % 7 } }
    let inputs = (0..<size).map { source in
      counts[source].enumerated().flatMap { destination, count in
        (0..<count).map { [source, destination, $0] }
      }
    }
    var outputs = (0..<size).map { destination in
      [[Int]](repeating: [], count: counts.reduce(0) { $0 + $1[destination] })
    }
    let rounds = AllToAll(counts, inOneRound: inOneRound)
    for round in 0..<rounds.roundCount {
      for message in rounds.messages(inRound: round) {
        guard case .block(let from, let to) = message.content else { fatalError("a block") }
        for index in 0..<message.bytes {
          outputs[message.destination][to + index] = inputs[message.source][from + index]
        }
      }
    }
    for destination in 0..<size {
      let expected = (0..<size).flatMap { source in
        (0..<counts[source][destination]).map {
          source == destination ? [] : [source, destination, $0]
        }
      }
      #expect(outputs[destination] == expected)
    }
  }

  private func cases(_ size: Int) -> [(Placement, Chunks)] {
    placements(size).flatMap { placement in cuts(size).map { (placement, $0) } }
  }
}

@Suite struct ConservationTests {
  /// Closed forms: 2 (n - 1)/n of the vector from each of n positions for the least-bytes algorithms.
  @Test(arguments: 1...17)
  func bytesSentEqualTheClosedForms(size: Int) {
    let bytes = 240 * size
    let chunks = Chunks(bytes: bytes, parts: size, unit: 4)
    let alone = Placement(nodeSizes: [size])
    for algorithm in [Algorithm.ring, .direct] {
      let rounds = Collective.allReduce.rounds(algorithm, chunks, on: alone, unit: 4)
      for position in 0..<size {
        var (sent, received) = (0, 0)
        for round in 0..<rounds.roundCount {
          let messages = rounds.messages(of: position, inRound: round)
          sent += messages.sent.reduce(0) { $0 + $1.bytes }
          received += messages.received.reduce(0) { $0 + $1.bytes }
        }
        #expect(sent == 2 * (size - 1) * bytes / size)
        #expect(received == sent)
      }
    }
    let tree = Collective.allReduce.rounds(.tree, chunks, on: alone, unit: 4)
    #expect(tree.totalBytes == 2 * (size - 1) * bytes)
    let core = 1 << (Int.bitWidth - 1 - size.leadingZeroBitCount)
    let halving = Collective.allReduce.rounds(.halving, chunks, on: alone, unit: 4)
    #expect(halving.totalBytes == 2 * (core - 1) * bytes + 2 * (size - core) * bytes)
  }

  /// Between nodes the hierarchical ones send what a ring of whole nodes would.
  @Test(arguments: [[4, 4], [8, 8, 8], [3, 1, 2], [5, 2], [1, 1, 1, 1]])
  func bytesBetweenNodesAreLeast(nodeSizes: [Int]) {
    let placement = Placement(nodeSizes: nodeSizes)
    let size = placement.groupSize
    let chunks = Chunks(bytes: 5040 * size, parts: size, unit: 1)
    for (collective, times) in [(Collective.allReduce, 2), (.reduceScatter, 1), (.allGather, 1)] {
      let rounds = collective.rounds(.hierarchical, chunks, on: placement, unit: 1)
      var across = 0
      for phase in rounds.phases {
        for round in phase.rounds {
          for message in rounds.messages(inRound: round) {
            let crosses = placement.nodes[message.source] != placement.nodes[message.destination]
            #expect(crosses == (phase.pattern == .acrossNodes))
            across += crosses ? message.bytes : 0
          }
        }
      }
      #expect(across == times * (nodeSizes.count - 1) * chunks.bytes, "\(collective)")
    }
  }

  @Test(arguments: 1...17, Algorithm.allCases)
  func phasesCoverTheRoundsAndSayTheirPattern(size: Int, algorithm: Algorithm) {
    for placement in placements(size) {
      let chunks = Chunks(bytes: 64 * size, parts: size, unit: 4)
      let rounds = Collective.allReduce.rounds(algorithm, chunks, on: placement, unit: 4)
      #expect(rounds.phases.flatMap { Array($0.rounds) } == Array(0..<rounds.roundCount))
      for phase in rounds.phases {
        for round in phase.rounds {
          for message in rounds.messages(inRound: round) {
            #expect(message.source != message.destination)
            switch phase.pattern {
            case .shift(let distance):
              #expect((message.source + distance + size) % size == message.destination)
            case .exchange(let distance):
              #expect(message.source ^ distance == message.destination)
            case .everyone, .listed, .withinNodes, .acrossNodes: break
            }
          }
        }
      }
    }
  }

  /// A ring of 2,048 is described without its four million messages.
  @Test func twoThousandRanksAreCheap() {
    let chunks = Chunks(bytes: 1 << 30, parts: 2048, unit: 4)
    let placement = Placement(nodeSizes: [Int](repeating: 8, count: 256))
    let ring = Collective.allReduce.rounds(.ring, chunks, on: placement, unit: 4)
    #expect(ring.phases.map(\.rounds) == [0..<2047, 2047..<4094])
    let first = ring.messages(inRound: 0).reduce(0) { $0 + $1.bytes }
    #expect(first * ring.roundCount == 2 * 2047 * (1 << 30))
    let lanes = Collective.allReduce.rounds(.hierarchical, chunks, on: placement, unit: 4)
    #expect(lanes.phases.map(\.rounds) == [0..<1, 1..<511, 511..<512])
    #expect(lanes.messageCount(inRound: 7) == 2048)
  }
}

@Suite struct OrderTests {
  @Test func treeFoldIsBalanced() {
    #expect(treeFold(1).isEmpty)
    #expect(folded(4) == "((0+1)+(2+3))")
    #expect(folded(5) == "(((0+1)+(2+3))+4)")
    #expect(folded(8) == "(((0+1)+(2+3))+((4+5)+(6+7)))")
  }

  /// Halves folded apart and then together give the same expression as the whole.
  @Test(arguments: [2, 4, 8, 16, 32])
  func halvesNest(count: Int) {
    var halves = [folded(count / 2), folded(count / 2, from: count / 2)]
    for (into, from) in treeFold(2) { halves[into] = "(\(halves[into])+\(halves[from]))" }
    #expect(halves[0] == folded(count))
  }

  /// The direct reduce-scatter leaves the order of additions to positions alone.
  @Test(arguments: 2...9)
  func directContributesOncePerPosition(size: Int) {
    let chunks = Chunks(bytes: 16 * size, parts: size, unit: 16)
    let rounds = Direct(reduceScatter: chunks)
    #expect(rounds.roundCount == 1)
    for owner in 0..<size {
      let received = rounds.messages(of: owner, inRound: 0).received
      #expect(received.map(\.source).sorted() == (0..<size).filter { $0 != owner })
      #expect(received.allSatisfy { $0.content == .range(offset: 16 * owner) && $0.bytes == 16 })
      #expect(received.allSatisfy { $0.delivery == .contributes && $0.reduces })
    }
  }

  /// Each term by itself, then the terms one after the other.
  @Test func termsAreFoldedApart() {
    func folded(_ terms: [Int]) -> String {
      var values = terms.indices.map { "\($0)" }
      for (into, from) in treeFold(terms: terms) {
        values[into] = "(\(values[into])+\(values[from]))"
      }
      return values[0]
    }
    #expect(folded([0, 0, 0, 0]) == "((0+1)+(2+3))")
    #expect(folded([0, 0, 0, 2, 2, 5]) == "((((0+1)+2)+(3+4))+5)")
    #expect(folded([3, 7]) == "(0+1)")
    #expect(treeFold(terms: []).isEmpty)
  }

  /// A position sends as many messages to each owner as it has terms, and gathers whole sums.
  @Test func everyTermIsContributedOnce() {
    let chunks = Chunks(lengths: [8, 0, 4])
    let terms = [[0, 2], [1], [0, 1]]
    let rounds = Collective.allReduce.direct(chunks, terms: terms)
    #expect(rounds.roundCount == 2)
    var sent: [[Int]] = []
    for message in rounds.messages(inRound: 0) {
      #expect(message.content == .range(offset: chunks.offset(message.destination)))
      #expect(message.bytes == chunks[message.destination].count && message.reduces)
      sent.append([message.source, message.destination, message.term])
    }
    let expected = [0, 2].flatMap { destination in
      terms.indices.filter { $0 != destination }.flatMap { source in
        terms[source].map { [source, destination, $0] }
      }
    }
    #expect(Set(sent) == Set(expected) && sent.count == expected.count)
    let gathered = Array(rounds.messages(inRound: 1))
    #expect(gathered.count == 4 && gathered.allSatisfy { !$0.reduces })
    let one = Collective.reduceScatter.direct(chunks, terms: [[0], [0], [0]])
    #expect(
      Set(one.messages(inRound: 0)) == Set(Direct(reduceScatter: chunks).messages(inRound: 0)))
  }

  private func folded(_ count: Int, from first: Int = 0) -> String {
    var values = (0..<count).map { "\(first + $0)" }
    for (into, from) in treeFold(count) { values[into] = "(\(values[into])+\(values[from]))" }
    return values[0]
  }
}

@Suite struct ChunksTests {
  @Test(arguments: 1...17, [0, 1, 5, 64, 1000])
  func evenPartsCoverTheVector(parts: Int, bytes: Int) {
    let chunks = Chunks(bytes: bytes, parts: parts, unit: 4)
    #expect((0..<parts).flatMap { Array(chunks[$0]) } == Array(0..<bytes))
    for part in 0..<parts {
      #expect(chunks[part].lowerBound % 4 == 0 || chunks[part].isEmpty)
    }
    let lengths = (0..<parts).map { chunks[$0].count }
    #expect((lengths.max() ?? 0) - (lengths.min() ?? 0) <= 7)
    #expect(Chunks(lengths: lengths)[0..<parts] == 0..<bytes)
  }
}
