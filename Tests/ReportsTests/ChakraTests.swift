import Engines
import Foundation
import Programs
import Reports
import Simulation
import TestSupport
import Testing

/// Execution traces of a simulated step against the step itself.
@Suite struct ChakraTests {
  /// The files of the simulated ranks, with these.
  private func files(
    _ schedule: String, stagesPerRank: Int = 1
  ) throws -> (step: PlannedStep, result: StepResult, files: [ChakraFile]) {
    let step = try TraceTests.step(schedule, stagesPerRank: stagesPerRank)
    var simulation = step.simulation
    simulation.keepsSpans = true
    let result = simulation.run()
    let trace = ChakraTrace(result, of: step, allRanks: false)
    var groups = StepGroups()
    let files = try zip(trace.ranks, result.ranks).map { rank, simulated in
      let graph = step.graph(ofRank: rank, as: simulated, groups: &groups)
      return try ChakraFile(trace.content(of: graph, standsFor: [rank]))
    }
    return (step, result, files)
  }

  /// The examples of https://protobuf.dev/programming-guides/encoding/.
  @Test func theWireFormatIsThatOfItsDescription() {
    var number = ProtobufMessage()
    number.add(150 as UInt64, field: 1)
    #expect(number.bytes == [0x08, 0x96, 0x01])
    var text = ProtobufMessage()
    text.add("testing", field: 2)
    #expect(text.bytes == [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67])
    var nested = ProtobufMessage()
    nested.add(number, field: 3)
    #expect(nested.bytes == [0x1a, 0x03, 0x08, 0x96, 0x01])
    var packed = ProtobufMessage()
    packed.add(packed: [3, 270, 86942], field: 6)
    #expect(packed.bytes == [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05])
    var negative = ProtobufMessage()
    negative.add(-2, field: 1)
    #expect(negative.bytes == [0x08, 0xfe] + [UInt8](repeating: 0xff, count: 8) + [0x01])
    #expect(number.delimited == [0x03, 0x08, 0x96, 0x01])
  }

  /// What the simulator counts is in the files: FLOPs, messages and what is put into collectives.
  @Test(arguments: [("1f1b", 1), ("zbv", 2), ("dualpipe", 1)])
  func nothingIsLost(schedule: String, stagesPerRank: Int) throws {
    let (_, result, files) = try files(schedule, stagesPerRank: stagesPerRank)
    for (rank, file) in zip(result.ranks, files) {
      #expect(file.version == "0.0.4" && file.numbers["step_picoseconds"] == Int(result.step))
      let flops = file.nodes.reduce(0) { $0 + ($1.numbers["num_ops"] ?? 0) }
      #expect(abs(Double(flops) / rank.flops - 1) < 1e-9)
      var (sent, sends, collected) = (0, 0, 0)
      for span in rank.transfers {
        switch span.kind {
        case .message(let transfer) where transfer.isSend:
          sent += span.bytes
          sends += 1
        case .message: break
        // Each expert lies on one data rank: nobody else has a copy, but in the other direction.
        case .collective(_, _, let kind):
          if !kind.isOfExpertCopies || schedule == "dualpipe" { collected += span.bytes }
        }
      }
      for item in rank.items {
        for span in item.spans {
          if case .transfer = span.kind { collected += span.bytes }
        }
      }
      let messages = file.nodes.filter { $0.type == 5 }
      #expect(messages.count == sends && sends > 0)
      #expect(messages.reduce(0) { $0 + ($1.numbers["comm_size"] ?? 0) } == sent)
      let collectives = file.nodes.filter { $0.type == 7 }
      // Beside them eight bytes for the norm of all gradients, and before each dispatch how many tokens
      // will come, which takes no time of its own.
      let counts = collectives.filter { $0.name.contains(" counts, ") }
      let dispatches = collectives.filter { $0.name.contains(" dispatch, ") }
      #expect(counts.count == dispatches.count && !counts.isEmpty)
      func bytes(_ nodes: [ChakraFile.Node]) -> Int {
        nodes.reduce(0) { $0 + ($1.numbers["comm_size"] ?? 0) }
      }
      #expect(bytes(collectives) == collected + 8 + bytes(counts))
      #expect(Set(collectives.map { $0.numbers["comm_type"] ?? -1 }).isSubset(of: [0, 2, 6, 7]))
    }
  }

  /// Every node comes behind what it waits for, in the file and on the simulated clock.
  @Test(arguments: [("1f1b", 1), ("zbv", 2), ("dualpipe", 1)])
  func theGraphHasNoCircle(schedule: String, stagesPerRank: Int) throws {
    let (_, _, files) = try files(schedule, stagesPerRank: stagesPerRank)
    for file in files {
      #expect(file.nodes.map(\.id) == Array(file.nodes.indices))
      for node in file.nodes {
        #expect(node.dependencies.allSatisfy { $0 < node.id }, "\(node)")
        // Rounding to microseconds leaves the order as it is.
        for before in node.dependencies.map({ file.nodes[$0] }) {
          #expect(before.start + before.duration <= node.start, "\(before), then \(node)")
        }
      }
      // All but the first have something before them.
      #expect(file.nodes.count { $0.type == 4 && $0.dependencies.isEmpty } <= 1)
    }
  }

  /// Chakra's feeder (`src/feeder/et_feeder_node.cpp`) takes a value out of the one field that it expects and gets
  /// 0 where it lies in another; a node has what it reads of its type (`NodeType`), and no more.
  @Test(arguments: [("1f1b", 1), ("dualpipe", 1)])
  func attributesLieWhereTheFeederLooks(schedule: String, stagesPerRank: Int) throws {
    // AttributeProto: int32_val 7, int64_val 9, uint64_val 13, bool_val 27, string_val 29.
    let common = ["is_cpu_op": 27]
    let message = ["comm_src": 7, "comm_dst": 7, "comm_tag": 7, "comm_size": 9]
    let expected: [Int: [String: Int]] = [
      2: ["tensor_size": 13], 3: ["tensor_size": 13], 4: ["num_ops": 9, "tensor_size": 13],
      5: message, 6: message, 7: ["comm_type": 9, "comm_size": 9, "pg_name": 29],
    ]
    for node in try files(schedule, stagesPerRank: stagesPerRank).files.flatMap(\.nodes) {
      var fields = node.fields
      for own in ["stage", "microbatch"] { #expect(fields.removeValue(forKey: own) ?? 9 == 9) }
      let wanted = try #require(expected[node.type], "\(node)").merging(common) { $1 }
      #expect(fields == wanted, "\(node)")
      #expect(node.numbers["is_cpu_op"] == 0)
      // ASTRA-sim reads a group's name as a number, and takes 0 for the whole world.
      if node.type == 7 { #expect((Int(node.texts["pg_name"] ?? "") ?? 0) > 0, "\(node)") }
      if let tag = node.numbers["comm_tag"] { #expect(tag >= 0 && tag <= Int(Int32.max)) }
    }
  }

  /// All nodes come in the feeder's own walk.
  ///
  /// A node that is done takes one of its numbers out of each child's list, and a child without one goes next
  /// (`freeChildrenNodes` of `src/feeder/et_feeder.cpp`): a number that stands twice holds its node for ever.
  @Test(arguments: [("1f1b", 1), ("zbv", 2), ("dualpipe", 1)])
  func theFeederGetsThroughAll(schedule: String, stagesPerRank: Int) throws {
    for file in try files(schedule, stagesPerRank: stagesPerRank).files {
      var waits = file.nodes.map(\.dependencies)
      var children = file.nodes.map { _ in Set<Int>() }
      for (id, parents) in waits.enumerated() {
        for parent in parents { children[parent].insert(id) }
      }
      var free = waits.indices.filter { waits[$0].isEmpty }
      var done = 0
      while let id = free.popLast() {
        done += 1
        for child in children[id].sorted() {
          guard let place = waits[child].firstIndex(of: id) else { continue }
          waits[child].remove(at: place)
          if waits[child].isEmpty { free.append(child) }
        }
      }
      #expect(done == file.nodes.count)
    }
  }

  /// One communication at a time, in the order that `ctrl_deps` adds, is enough to get all ranks through: as in
  /// ASTRA-sim, whose ranks have one place for a collective or a send, and any number for receives.
  @Test(arguments: [("1f1b", 1), ("zbv", 2), ("dualpipe", 1)])
  func oneCommunicationAtATimeIsEnough(schedule: String, stagesPerRank: Int) throws {
    for file in try files(schedule, stagesPerRank: stagesPerRank).files {
      let moving = file.nodes.filter { $0.type == 5 || $0.type == 7 }
      #expect(
        moving.count { $0.order.isEmpty && !$0.dependencies.contains { isMoving($0, file) } } <= 1)
      for node in file.nodes {
        #expect(node.order.count <= ([5, 7].contains(node.type) ? 1 : 0), "\(node)")
        for before in node.order {
          #expect(isMoving(before, file) && !node.dependencies.contains(before), "\(node)")
          #expect(file.nodes[before].start <= node.start, "\(node)")
        }
      }
      // With both kinds of edges there is no circle.
      var waits = file.nodes.map { Set($0.dependencies + $0.order) }
      var children = file.nodes.map { _ in [Int]() }
      for (id, parents) in waits.enumerated() {
        for parent in parents { children[parent].append(id) }
      }
      var free = waits.indices.filter { waits[$0].isEmpty }
      var done = 0
      while let id = free.popLast() {
        done += 1
        for child in children[id] {
          waits[child].remove(id)
          if waits[child].isEmpty { free.append(child) }
        }
      }
      #expect(done == file.nodes.count)
    }
  }

  private func isMoving(_ id: Int, _ file: ChakraFile) -> Bool {
    [5, 7].contains(file.nodes[id].type)
  }

  /// Each send has its receive on the rank that it names, of the same size and tag.
  @Test(arguments: [("1f1b", 1), ("zbv", 2), ("dualpipe", 1)])
  func messagesHaveTwoEnds(schedule: String, stagesPerRank: Int) throws {
    let (_, _, files) = try files(schedule, stagesPerRank: stagesPerRank)
    func ends(_ type: Int) -> [[Int]] {
      files.flatMap { file in
        file.nodes.filter { $0.type == type }.map { node in
          #expect(node.numbers[type == 5 ? "comm_src" : "comm_dst"] == file.numbers["rank"])
          return ["comm_src", "comm_dst", "comm_tag", "comm_size"].map { node.numbers[$0] ?? -1 }
        }
      }.sorted { $0.lexicographicallyPrecedes($1) }
    }
    let sends = ends(5)
    #expect(!sends.isEmpty && sends == ends(6))
    #expect(Set(sends.map { Array($0[..<3]) }).count == sends.count)
  }

  /// Of the whole world every rank has a file, and is in the groups of its collectives.
  @Test func foldersHoldWhatSimulatorsRead() throws {
    let folder = try ScratchFolder()
    let plan = try folder.write(
      "{data-parallel: 2, pipeline-parallel: 2, global-batch: 8, sequence-length: 512}",
      to: "plan.yaml")
    let line = [
      "simulate", "--model", "llama-3.1-8b", "--plan", plan, "--export-chakra", folder.file("all"),
    ]
    let made = try Command.run(line + ["--chakra-all-ranks"])
    #expect(made.status == 0 && made.errors.contains("all: 4 traces of "), "\(made.errors)")
    let text = try String(contentsOfFile: folder.file("all/groups.json"), encoding: .utf8)
    let groups = try JSONDecoder().decode([String: [Int]].self, from: Data(text.utf8))
    for rank in 0..<4 {
      let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("all/step.\(rank).et")))
      let file = try ChakraFile(Array(data))
      #expect(file.numbers["rank"] == rank && file.texts["stands_for"] == "\(rank)")
      let named = Set(file.nodes.compactMap { $0.texts["pg_name"] })
      #expect(!named.isEmpty && named.allSatisfy { groups[$0]?.contains(rank) == true })
    }
    let again = try Command.run(line)
    #expect(again.status == 1 && again.errors.contains("give a folder that is new or empty"))
    let few = try Command.run(line.dropLast() + [folder.file("few")])
    #expect(few.status == 0 && few.errors.contains("few: 2 traces of "))
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("few/step.2.et")))
    #expect(try ChakraFile(Array(data)).texts["stands_for"] == "2-3")
  }
}

extension TransferKind {
  fileprivate var isOfExpertCopies: Bool {
    switch self {
    case .allGather(let of), .reduceScatter(let of), .allReduce(let of):
      [.expertGradient, .expertShards, .expertReplicas].contains(of)
    default: false
    }
  }
}
