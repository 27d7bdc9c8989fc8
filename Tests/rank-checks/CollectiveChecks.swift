import MessagePassing

/// Sum, maximum and minimum over all kinds of number; values are small integers, so sums are exact.
func allReduceAgrees(_ communicator: any Communicator) throws {
  try allReduceAgrees(communicator, as: Float.self)
  try allReduceAgrees(communicator, as: Double.self)
  try allReduceAgrees(communicator, as: Int64.self)
  try allReduceAgrees(communicator, as: Int.self)
}

private func allReduceAgrees<Element: ReducibleElement>(
  _ communicator: any Communicator, as type: Element.Type
) throws {
  func value(_ rank: Int, _ index: Int) -> Int { (rank * 31 + index * 7) % 101 }
  let ranks = 0..<communicator.size
  for count in [1, 1000, 70_000] {
    for reduction in Reduction.allCases {
      var values: [Element] = (0..<count).map { element(value(communicator.rank, $0)) }
      try communicator.allReduce(&values, reduction)
      for index in [0, count / 3, count - 1] {
        let all = ranks.map { value($0, index) }
        let expected =
          switch reduction {
          case .sum: all.reduce(0, +)
          case .maximum: all.reduce(.min, max)
          case .minimum: all.reduce(.max, min)
          }
        try expect(
          values[index], element(expected), "\(reduction) of \(count) \(type), element \(index)")
      }
    }
  }
  let largest: Element = try communicator.allReduce(element(communicator.rank), .maximum)
  try expect(largest, element(communicator.size - 1), "largest rank")
}

private func element<Element: ReducibleElement>(_ value: Int) -> Element {
  guard let element = Element(exactly: value) else { fatalError("a small integer fits") }
  return element
}

/// Uneven parts, one of them empty.
func reduceScatterAgrees(_ communicator: any Communicator) throws {
  let size = communicator.size
  let counts = (0..<size).map { $0 == 1 ? 0 : 10 + $0 }
  let values = (0..<counts.reduce(0, +)).map { Float($0 + communicator.rank) }
  let result = try communicator.reduceScatter(values, counts: counts, .sum)
  let start = counts[..<communicator.rank].reduce(0, +)
  let ranks = size * (size - 1) / 2
  try expect(
    result, (0..<counts[communicator.rank]).map { Float((start + $0) * size + ranks) }, "sums")
}

/// Uneven parts; nobody knows the counts beforehand.
func allGatherAgrees(_ communicator: any Communicator) throws {
  let mine = [Int](repeating: communicator.rank, count: communicator.rank % 3)
  let expected = (0..<communicator.size).flatMap { [Int](repeating: $0, count: $0 % 3) }
  try expect(try communicator.allGather(mine), expected, "values")
}

/// Rank r sends r + 2·s values to rank s; some send nothing.
func allToAllAgrees(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  func count(_ source: Int, _ destination: Int) -> Int { (source + 2 * destination) % 5 }
  func values(_ source: Int, _ destination: Int) -> [Int32] {
    (0..<count(source, destination)).map { Int32(source * 100 + destination * 10 + $0) }
  }
  let arrived = try communicator.allToAll(
    (0..<size).flatMap { values(rank, $0) }, counts: (0..<size).map { count(rank, $0) })
  try expect(arrived.counts, (0..<size).map { count($0, rank) }, "counts")
  try expect(arrived.values, (0..<size).flatMap { values($0, rank) }, "values")
}

/// From every root in turn: numbers, and text of a length that only the root knows.
func broadcastAgrees(_ communicator: any Communicator) throws {
  for root in 0..<communicator.size {
    var values = [Double](repeating: Double(communicator.rank), count: 3000)
    try communicator.broadcast(&values, from: root)
    try expect(values, [Double](repeating: Double(root), count: 3000), "values of root \(root)")
    let text = communicator.rank == root ? "from root \(root)" : ""
    try expect(try communicator.broadcast(text, from: root), "from root \(root)", "text")
  }
}

/// Messages of a duplicate never meet those of the original, though source and tag agree.
func duplicateIsApart(_ communicator: any Communicator) throws {
  let copy = try communicator.duplicate()
  try expect(copy.worldRanks, communicator.worldRanks, "members")
  let next = (communicator.rank + 1) % communicator.size
  let previous = (communicator.rank + communicator.size - 1) % communicator.size
  let sent = Memory<Int>(2) { $0 }
  let received = Memory<Int>(2) { _ in -1 }
  let first = UnsafeBufferPointer(rebasing: sent.read[0...0])
  let second = UnsafeBufferPointer(rebasing: sent.read[1...1])
  var requests = RequestGroup()
  requests.add(try communicator.startSend(first, to: next, tag: 0))
  requests.add(try copy.startSend(second, to: next, tag: 0))
  let fromCopy = UnsafeMutableBufferPointer(rebasing: received.buffer[1...1])
  let fromOriginal = UnsafeMutableBufferPointer(rebasing: received.buffer[0...0])
  try copy.receive(into: UnsafeMutableRawBufferPointer(fromCopy), from: previous, tag: 0)
  try communicator.receive(
    into: UnsafeMutableRawBufferPointer(fromOriginal), from: previous, tag: 0)
  try requests.waitAll()
  try expect(Array(received.read), [0, 1], "values")
}

/// All ranks hear the same: nothing, or who is the first to differ from rank 0, and in what.
func agreementIsFound(_ communicator: any Communicator) throws {
  let common = SharedFact("run file", "tiny.yaml")
  try expect(try communicator.disagreement(on: [common]), nil, "equal facts")
  let last = communicator.size - 1
  let program = SharedFact("program", communicator.rank == last ? "two" : "three")
  let expected =
    last == 0
    ? nil : "rank \(communicator.worldRanks[last]) has another program: two instead of three"
  try expect(try communicator.disagreement(on: [common, program]), expected, "an odd one out")
}
