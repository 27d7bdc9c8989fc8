/// Has what some layers keep for their backward copied to the host behind their forward, and back ahead of
/// their backward.
///
/// A copy starts when the buffer has been written and is waited for behind the next layer, so that two layers'
/// are under way at most; the way back starts with the backward of the layer before, which comes behind it in
/// the model, and is waited for where it is read first (Transformer Engine 2.6, `pytorch/cpu_offload.py`).
/// Of what crosses pipeline ranks nothing is copied: it belongs to whoever sends and receives.
struct Offloading {
  private let layers: Set<Int>
  private let forward: Emission
  private let buffers: [Buffer]
  private let external: [BufferID?]
  /// What is copied, with the layer that writes it and the item of the forward behind which it is written.
  private(set) var offloaded: [(id: BufferID, layer: Int, written: Int)] = []

  /// - Parameter share: of the stage's layers, the first ones.
  init(
    _ share: Double, _ buffers: [Buffer], external: [BufferID?], forward: Emission,
    backwards: [Emission]
  ) {
    self.forward = forward
    self.buffers = buffers
    self.external = external
    let all = Set(forward.items.compactMap { forward.layer(of: $0) }.filter { $0 >= 0 }).sorted()
    layers = Set(all.prefix(Int((share * Double(all.count)).rounded())))
    guard !layers.isEmpty else { return }
    let read = Set(backwards.flatMap { Self.used(by: $0) })
    for (id, place) in writes() where read.contains(id) && isKept(id) {
      offloaded.append((id, place.layer, place.item))
    }
    offloaded.sort { ($0.written, $0.id) < ($1.written, $1.id) }
  }

  private func isKept(_ id: BufferID) -> Bool {
    let buffer = buffers[Int(id.index)]
    return buffer.scope != .stage && buffer.use == .activation && !external.contains(id)
  }

  /// The last item of the forward that writes each buffer, in layers whose buffers are copied.
  private func writes() -> [BufferID: (layer: Int, item: Int)] {
    var writes: [BufferID: (layer: Int, item: Int)] = [:]
    for (index, item) in forward.items.enumerated() {
      switch item {
      case .operation(let operation):
        for id in operation.outputs { writes[id] = (operation.layer, index) }
      case .wait(let number):
        let transfer = forward.transfers[number]
        for id in transfer.operands[..<transfer.outputCount] {
          writes[id] = (transfer.layer, index)
        }
      case .start, .gatherAhead: continue
      }
    }
    return writes.filter { layers.contains($0.value.layer) }
  }

  /// Puts the copies into the forward and into each pass that reads what they bring.
  func insert(whole: Emission, inputHalf: Emission, weightHalf: Emission) {
    guard !offloaded.isEmpty else { return }
    sendAway()
    bringBack(offloaded.map { ($0.id, $0.layer) }, in: whole)
    let read = Self.used(by: inputHalf)
    bringBack(offloaded.filter { read.contains($0.id) }.map { ($0.id, $0.layer) }, in: inputHalf)
    bringBack(offloaded.filter { !read.contains($0.id) }.map { ($0.id, $0.layer) }, in: weightHalf)
  }

  private func sendAway() {
    // The item behind which each layer ends.
    var ends: [Int: Int] = [:]
    for (index, item) in forward.items.enumerated() {
      if let layer = forward.layer(of: item) { ends[layer] = index }
    }
    var insertions: [Int: [Emission.Item]] = [:]
    for (id, layer, written) in offloaded {
      let copy = forward.add(copy(of: id, .toHost, .toHost, layer, .forward))
      insertions[written, default: []].append(.start(copy))
      let end = ends[layer + 1] ?? forward.items.count - 1
      insertions[max(end, written), default: []].append(.wait(copy))
    }
    forward.insertBehind(insertions)
  }

  private func bringBack(_ copies: [(id: BufferID, layer: Int)], in pass: Emission) {
    var begins: [Int: Int] = [:]
    var reads: [BufferID: Int] = [:]
    for (index, item) in pass.items.enumerated() {
      if let layer = pass.layer(of: item), begins[layer] == nil { begins[layer] = index }
      for id in pass.operands(of: item) where reads[id] == nil { reads[id] = index }
    }
    var starts: [Int: [Emission.Item]] = [:]
    var waits: [Int: [Emission.Item]] = [:]
    // Those of the last layer are read first.
    for (id, layer) in copies.reversed() {
      guard let read = reads[id] else { continue }
      let copy = pass.add(copy(of: id, .fromHost, .fromHost, layer, .backwardInput))
      let begin = max(pass.prologue, min(begins[layer + 1] ?? 0, read))
      starts[begin - 1, default: []].append(.start(copy))
      waits[max(read, pass.prologue) - 1, default: []].append(.wait(copy))
    }
    pass.insertBehind(starts.merging(waits) { $0 + $1 })
  }

  private func copy(
    of id: BufferID, _ kind: TransferKind, _ stream: Stream, _ layer: Int, _ half: Pass
  ) -> Transfer {
    let buffer = buffers[Int(id.index)]
    return Transfer(
      kind, outputs: kind == .fromHost ? [id] : [], inputs: kind == .fromHost ? [] : [id],
      stream: stream, bytesPerRow: buffer.bytesPerRow, rows: buffer.rows, phase: .attention,
      pass: half, layer: layer)
  }

  private static func used(by emission: Emission) -> Set<BufferID> {
    Set(emission.items.flatMap { emission.operands(of: $0) })
  }
}

extension Emission {
  /// The layer that an item works for; nil for one that works for none in particular.
  fileprivate func layer(of item: Item) -> Int? {
    switch item {
    case .operation(let operation): operation.layer
    case .start(let index), .wait(let index): transfers[index].layer
    case .gatherAhead: nil
    }
  }

  fileprivate func operands(of item: Item) -> [BufferID] {
    switch item {
    case .operation(let operation): operation.operands
    case .start(let index), .wait(let index): transfers[index].operands
    case .gatherAhead: []
    }
  }

  /// Adds a transfer and gives its number.
  fileprivate func add(_ transfer: Transfer) -> Int {
    transfers.append(transfer)
    return transfers.count - 1
  }

  /// Puts items behind those of these numbers, −1 for the front.
  fileprivate func insertBehind(_ insertions: [Int: [Item]]) {
    items =
      (insertions[-1] ?? [])
      + items.enumerated().flatMap { [$0.element] + (insertions[$0.offset] ?? []) }
  }
}
