import MessagePassing

/// What a check found wrong.
struct CheckFailure: Error, CustomStringConvertible {
  var description: String
}

/// Throws unless the two are equal.
func expect<Value: Equatable>(
  _ found: Value, _ expected: Value, _ what: @autoclosure () -> String
) throws {
  guard found == expected else {
    throw CheckFailure(description: "\(what()): found \(found), expected \(expected)")
  }
}

/// One thing that holds on any communicator of any size, called by all its members.
struct Check: Sendable {
  var name: String
  var run: @Sendable (any Communicator) throws -> Void
}

/// All checks, in the order in which they run.
let checks =
  [
    Check(name: "ring of messages", run: messagesGoRound),
    Check(name: "order of equal tags", run: equalTagsKeepOrder),
    Check(name: "tags taken in reverse", run: tagsMatchOutOfOrder),
    Check(name: "message to oneself", run: messageToOneself),
    Check(name: "spans", run: spansTravel),
    Check(name: "large nonblocking exchange", run: largeExchange),
    Check(name: "requests that are tested", run: requestsCanBeTested),
    Check(name: "shorter message than the buffer", run: shorterMessage),
    Check(name: "all-reduce", run: allReduceAgrees),
    Check(name: "reduce-scatter", run: reduceScatterAgrees),
    Check(name: "all-gather", run: allGatherAgrees),
    Check(name: "all-to-all", run: allToAllAgrees),
    Check(name: "broadcast", run: broadcastAgrees),
    Check(name: "agreement", run: agreementIsFound),
    Check(name: "duplicate", run: duplicateIsApart),
  ]

/// Runs every check on the communicator, on its halves, and on pairs in reversed order.
func runChecks(on world: any Communicator) throws {
  for check in checks { try run(check, on: world, "the world") }
  if let half = try world.split(color: world.rank % 2, key: world.rank) {
    for check in checks { try run(check, on: half, "a half of the world") }
  }
  if let pair = try world.split(color: world.rank / 2, key: -world.rank) {
    try expect(pair.worldRanks, pair.worldRanks.sorted(by: >), "order of a split by falling key")
    for check in checks { try run(check, on: pair, "a reversed pair") }
  }
  let lonely = try world.split(color: world.rank == 0 ? 7 : nil, key: 0)
  try expect(lonely?.size, world.rank == 0 ? 1 : nil, "a split that leaves ranks out")
  try world.barrier()
}

private func run(_ check: Check, on communicator: any Communicator, _ place: String) throws {
  do {
    try check.run(communicator)
  } catch {
    throw CheckFailure(description: "\(check.name), on \(place): \(error)")
  }
}
