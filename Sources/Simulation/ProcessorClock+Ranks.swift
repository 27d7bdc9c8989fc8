import Clusters
import Costs
import Engines
import Programs

extension ProcessorClock {
  /// Takes all ranks on until each has something to do, or stands still.
  mutating func advanceReady() {
    var isMoving = true
    while isMoving {
      isMoving = false
      for rank in ranks.indices {
        switch ranks[rank].activity {
        case .ready:
          take(rank)
          isMoving = true
        case .standing:
          if goOn(rank) { isMoving = true }
        case .computing, .queued, .copying, .finished: break
        }
      }
    }
  }

  /// Takes the next entry of a rank that has nothing to do.
  private mutating func take(_ rank: Int) {
    guard ranks[rank].entry < scripts[rank].entries.count else {
      ranks[rank].activity = .finished
      return
    }
    let entry = scripts[rank].entries[ranks[rank].entry]
    ranks[rank].entry += 1
    switch entry {
    case .begin(let item):
      ranks[rank].item = ItemSpan(item: item, start: picoseconds(now), end: 0, spans: [])
    case .end:
      guard var item = ranks[rank].item else { return }
      item.end = picoseconds(now)
      ranks[rank].timeline.items.append(item)
      ranks[rank].item = nil
    case .compute(let work, let operation, let isForward):
      compute(work, operation, isForward, rank)
    case .start(let transfer):
      ranks[rank].started[transfer] = now
      if case .step(.collective) = scripts[rank].transfers[transfer].place {
        ranks[rank].open.append(transfer)
      }
      post(transfer, rank)
    case .wait(let transfer):
      ranks[rank].waiting = Waiting(transfer: transfer, since: now)
      stand(rank)
    case .agree:
      agreed += 1
      if agreed == ranks.count { agreementEnd = now + agreementSeconds }
      stand(rank)
    }
  }

  private mutating func compute(
    _ work: ProcessorWork, _ operation: Int?, _ isForward: Bool, _ rank: Int
  ) {
    ranks[rank].span = (now, operation, isForward)
    ranks[rank].activity = .computing(work, left: 1)
  }

  private mutating func stand(_ rank: Int) {
    ranks[rank].activity = .standing
    ranks[rank].since = now
  }

  /// Both ends of the messages of a transfer's round learn that this rank has come to it.
  private mutating func post(_ transfer: Int, _ rank: Int) {
    let round = ranks[rank].round[transfer]
    guard round < sent[rank][transfer].count else { return }
    for message in sent[rank][transfer][round] {
      messages[message].sent = now
      messages[message].computing = computing(beside: message)
    }
    for message in received[rank][transfer][round] {
      messages[message].posted = now
      messages[message].computing = computing(beside: message)
    }
  }

  /// Ranks of a receiver's machine that compute now, but for the two of the message.
  private func computing(beside message: Int) -> Int {
    let (source, receiver) = (messages[message].source, messages[message].destination)
    return ranks.indices.count { rank in
      guard rank != source, rank != receiver, machines[rank] == machines[receiver] else {
        return false
      }
      return switch ranks[rank].activity {
      case .standing, .queued, .finished: false
      case .ready, .computing, .copying: true
      }
    }
  }

  mutating func endCompute(_ work: ProcessorWork, _ rank: Int) {
    let (start, operation, isForward) = ranks[rank].span
    guard ranks[rank].waiting == nil else {
      // What is done with what came belongs to the message.
      ranks[rank].parts.messages += now - start
      return stand(rank)
    }
    ranks[rank].activity = .ready
    ranks[rank].parts.add(now - start, of: work.kernel)
    guard let operation else { return }
    addSpan(.operation(Int32(operation)), isForward, .compute, start, rank)
  }

  private mutating func addSpan(
    _ kind: Timeline.Span.Kind, _ isForward: Bool, _ stream: Programs.Stream, _ start: Double,
    _ rank: Int, bytes: Int = 0
  ) {
    guard let begin = ranks[rank].item?.start else { return }
    ranks[rank].item?.spans.append(
      Timeline.Span(
        kind, isForward: isForward, stream: stream, start: picoseconds(start) - begin,
        end: picoseconds(now) - begin, bytes: bytes))
  }

  // MARK: Waits

  mutating func endCopy(_ rank: Int) {
    guard let message = ranks[rank].waiting?.copied else { return }
    let (turn, copy) = copySeconds(rank)
    ranks[rank].waiting?.copied = nil
    messages[message].arrived = now
    ranks[rank].parts.messages += turn + copy
    stand(rank)
    take(message, rank)
  }

  /// A rank has a message, which it may have to add up.
  private mutating func take(_ message: Int, _ rank: Int) {
    messages[message].isTaken = true
    guard messages[message].reduces else { return }
    ranks[rank].waiting?.works.append(
      ProcessorWork(.add, bytes: Double(messages[message].bytes), rows: 1))
  }

  /// Books the time for which a rank has stood still: until a message began to move, and from there.
  private mutating func account(_ rank: Int, movingFrom time: Double) {
    let since = ranks[rank].since
    let moving = max(since, min(time, now))
    ranks[rank].parts.waiting += moving - since
    ranks[rank].parts.messages += now - moving
    ranks[rank].since = now
  }

  /// When both ends of a message had come to it.
  private func begin(of message: Int) -> Double {
    max(messages[message].sent ?? now, messages[message].posted ?? now)
  }

  /// Takes a rank that stands still one thing further; false if it has to go on standing.
  private mutating func goOn(_ rank: Int) -> Bool {
    guard let waiting = ranks[rank].waiting else {
      guard let end = agreementEnd, end <= now else { return false }
      account(rank, movingFrom: end - agreementSeconds)
      ranks[rank].activity = .ready
      return true
    }
    if let work = waiting.works.first {
      ranks[rank].waiting?.works.removeFirst()
      compute(work, nil, true, rank)
      return true
    }
    if isOver(waiting.transfer, rank) {
      endWait(waiting, rank)
      return true
    }
    for transfer in transfersUnderWay(rank) where goOn(with: transfer, rank) { return true }
    return false
  }

  private func isOver(_ transfer: Int, _ rank: Int) -> Bool {
    ranks[rank].round[transfer] >= sent[rank][transfer].count
  }

  /// What a rank that waits moves along: what it waits for, and then its reductions and gathers, as another
  /// rank may wait for any of them first.
  func transfersUnderWay(_ rank: Int) -> [Int] {
    guard let own = ranks[rank].waiting?.transfer else { return [] }
    return ([own] + ranks[rank].open.filter { $0 != own }).filter { !isOver($0, rank) }
  }

  /// Takes a transfer one thing further, if messages let it.
  private mutating func goOn(with transfer: Int, _ rank: Int) -> Bool {
    let round = ranks[rank].round[transfer]
    let left = received[rank][transfer][round].filter { !messages[$0].isTaken }
    for message in left where receive(message, rank) { return true }
    guard left.isEmpty else { return false }
    let leaving = sent[rank][transfer][round]
    guard leaving.allSatisfy({ leaves($0).map { $0 <= now } ?? false }) else { return false }
    account(rank, movingFrom: leaving.map { begin(of: $0) }.max() ?? now)
    ranks[rank].round[transfer] += 1
    if isOver(transfer, rank) { ranks[rank].open.removeAll { $0 == transfer } }
    post(transfer, rank)
    return true
  }

  /// Begins to copy a message, or takes one that has come over the network; false if it is not there.
  private mutating func receive(_ message: Int, _ rank: Int) -> Bool {
    if crosses(message) {
      guard let arrival = arrival(message), arrival <= now else { return false }
      account(rank, movingFrom: begin(of: message))
      take(message, rank)
      return true
    }
    guard messages[message].sent != nil else { return false }
    account(rank, movingFrom: now)
    ranks[rank].waiting?.copied = message
    messages[message].computing = computing(beside: message)
    let (turn, copy) = copySeconds(rank)
    ranks[rank].activity = turn > 0 ? .queued(left: turn) : .copying(left: copy)
    return true
  }

  /// Of the message inside a node that a rank is about to take: until it has its turn, and from there.
  func copySeconds(_ rank: Int) -> (turn: Double, copy: Double) {
    guard let message = ranks[rank].waiting?.copied else { return (0, 0) }
    let bytes = messages[message].bytes
    let all = links.node.seconds(bytes, computing: messages[message].computing)
    let copy = min(all, links.node.seconds(bytes, computing: 0))
    return (all - copy, copy)
  }

  /// What came is put in its places, and the wait is over.
  private mutating func endWait(_ waiting: Waiting, _ rank: Int) {
    let transfer = scripts[rank].transfers[waiting.transfer]
    if !waiting.isUnpacked, !transfer.unpacking.isEmpty {
      ranks[rank].waiting?.isUnpacked = true
      ranks[rank].waiting?.works = transfer.unpacking
      return
    }
    ranks[rank].waiting = nil
    ranks[rank].activity = .ready
    let start = ranks[rank].started[waiting.transfer]
    switch transfer.place {
    case .action(let index, let isForward):
      addSpan(.wait(Int32(index)), isForward, .compute, waiting.since, rank)
      addSpan(
        .transfer(Int32(index)), isForward, transfer.stream, start, rank, bytes: transfer.bytes)
    case .step(let kind):
      ranks[rank].timeline.transfers.append(
        TransferSpan(
          kind: kind, bytes: transfer.bytes, start: picoseconds(start), end: picoseconds(now)))
    }
  }
}
