import Foundation
import Testing

/// `sluice memory`: bytes by closed forms, and the fewest devices against the table at these numbers.
@Suite struct MemoryCommandTests {
  private struct Table: Decodable {
    struct Row: Decodable {
      var zeroStage: Int
      var recomputes: Bool
      var loraRank: Int?
      var parametersBytes: Int
      var gradientsBytes: Int
      var optimizerBytes: Int
      var activationsBytes: Int
      var communicationBytes: Int
      var peakBytes: Int
      var fits: Bool
      var fewestDevices: Int?
    }

    var parameters: Int
    var limitBytes: Int
    var reserveBytes: Int
    var rows: [Row]
    var notices: [String]
  }

  /// Llama 3.1 with two layers, 1,024 tokens.
  private static let line =
    "memory llama-3.1-8b --set model.num_hidden_layers=2 --sequence 1024 --json"

  /// By hand: queries, keys and values, the way out, three maps of the block, two norms.
  private static let layer =
    4096 * (4096 + 2 * 1024) + 4096 * 4096 + 3 * 4096 * 14_336 + 2 * 4096
  private static let head = 128_256 * 4096
  /// With the embedding and the last norm.
  private static let parameters = 2 * layer + 2 * head + 4096

  private static func table(_ line: String) throws -> Table {
    let command = try Command.run(line)
    #expect(command.status == 0, "\(command.errors)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Table.self, from: Data(command.output.utf8))
  }

  /// 2 bytes of a parameter, 4 of its gradient, 12 of master weight and moments; what a stage divides is a
  /// device's part, and beside it the layers, the head and the last norm that are whole while they are used.
  @Test(arguments: [1, 2, 8]) func bytesByStage(devices: Int) throws {
    let table = try Self.table("\(Self.line) --gpus \(devices)")
    #expect(table.parameters == Self.parameters)
    let both = Self.layer + Self.head
    let units = [Self.layer, Self.head, Self.head + 4096, both, both + 4096]
    let whole = devices == 1 ? [0] : [0] + units
    func parts(_ stage: Int, from first: Int) -> Int { stage >= first ? devices : 1 }
    let rows = table.rows.filter { $0.loraRank == nil }
    #expect(rows.map(\.zeroStage) == [0, 0, 1, 1, 2, 2, 3, 3])
    #expect(rows.map(\.recomputes) == Array(repeating: [false, true], count: 4).flatMap { $0 })
    for row in rows {
      let stage = row.zeroStage
      let weights = 2 * Self.parameters / parts(stage, from: 3)
      let gradients = 4 * Self.parameters / parts(stage, from: 2)
      let optimizer = 12 * Self.parameters / parts(stage, from: 1)
      let gathered = stage >= 3 ? whole : [0]
      let waiting = stage >= 2 ? whole : [0]
      #expect(gathered.contains { row.parametersBytes == weights + 2 * $0 }, "\(row)")
      #expect(waiting.contains { row.gradientsBytes == gradients + 4 * $0 }, "\(row)")
      // Parts of buckets are rounded up.
      #expect(row.optimizerBytes >= optimizer)
      #expect(Double(row.optimizerBytes) <= 1.001 * Double(optimizer))
    }
    for row in table.rows {
      let sum = row.parametersBytes + row.gradientsBytes + row.optimizerBytes
      #expect(row.peakBytes == sum + row.activationsBytes + row.communicationBytes)
      #expect(row.fits == (row.peakBytes <= table.limitBytes - table.reserveBytes))
    }
    // Of the same stage, recomputation holds no more.
    for (kept, recomputed) in zip(table.rows, table.rows.dropFirst()) where recomputed.recomputes {
      #expect(recomputed.peakBytes <= kept.peakBytes)
      #expect(recomputed.peakBytes < kept.peakBytes || kept.zeroStage > 0)
    }
  }

  /// Adapters of every map: of a rank r, r numbers for each column that goes in and each that comes out.
  @Test func adaptersAloneAreTrained() throws {
    let table = try Self.table("\(Self.line) --gpus 2 --lora-rank 8")
    let row = try #require(table.rows.first { $0.loraRank == 8 && $0.zeroStage == 0 })
    let columns = (4096 + 6144) + (4096 + 4096) + (4096 + 28_672) + (14_336 + 4096)
    let adapters = 2 * 8 * columns
    #expect(row.parametersBytes == 2 * (Self.parameters + adapters))
    #expect(row.gradientsBytes == 4 * adapters && row.optimizerBytes == 12 * adapters)
  }

  /// The number holds it and none below does, whatever number the table is asked for, of a node's part, of a node
  /// and of more: a table never says more than its own number where that holds it.
  @Test func theFewestDevicesAreTheFewest() throws {
    let line = "memory llama-3.1-8b --device a100-40gb --sequence 1024 --json --gpus"
    var tables: [Int: Table] = [:]
    let numbers = Array(1...9)
    for devices in numbers { tables[devices] = try Self.table("\(line) \(devices)") }
    let first = try #require(tables[1])
    var found: Set<Int?> = []
    for (index, row) in first.rows.enumerated() {
      let held = tables.keys.sorted().filter { tables[$0]?.rows[index].fits == true }
      found.insert(row.fewestDevices)
      for table in tables.values {
        #expect(table.rows[index].fewestDevices == row.fewestDevices, "\(row)")
      }
      guard let fewest = row.fewestDevices else {
        #expect(held.isEmpty, "\(row)")
        continue
      }
      // Once it holds, more devices hold it too.
      #expect(held == numbers.filter { $0 >= fewest }, "\(row)")
    }
    #expect(found.isSuperset(of: [nil, 1, 4, 5, 7]))
  }

  /// The page names the cluster that decides, what was set, and sequences beyond the model.
  @Test func thePageSaysWhatDecides() throws {
    let page = try Command.run("memory gpt-neox-20b --sequence 4096 --set cluster.nodes=4")
    #expect(page.status == 0)
    #expect(page.output.contains("on 8 devices of h100-2048 (H100"), "\(page.output)")
    #expect(page.output.contains("Set: cluster.nodes=4."))
    #expect(page.output.contains("note: sequences of 4,096 tokens, beyond the model's 2,048"))
    #expect(page.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  /// Mixtures have no dense block: adapters go to the maps that there are.
  @Test func mixturesHaveAdaptersToo() throws {
    let table = try Self.table("memory mixtral-8x7b --gpus 8 --json")
    #expect(table.rows.contains { $0.loraRank != nil })
  }

  /// What memory holds takes no kernels: data sheets have a table, the same whichever stand in.
  @Test(arguments: ["l40s", "mi300x", "rtx4090"]) func dataSheets(device: String) throws {
    let line = "memory llama-3.1-8b --json --device "
    let table = try Self.table(line + device)
    let ours = try Self.table(line + "h100")
    #expect(table.rows.count == 12 && table.parameters == ours.parameters)
    for (own, other) in zip(table.rows, ours.rows) {
      #expect(own.activationsBytes == other.activationsBytes)
      #expect(own.optimizerBytes == other.optimizerBytes)
    }
  }

  @Test(arguments: [
    ("gpt2 --gpus 0", "--gpus 0: must be from 1 to 2,048"),
    ("gpt2 --gpus 9000", "--gpus 9000: must be from 1 to 2,048"),
    ("gpt2 --microbatch 0", "--microbatch 0: must be from 1 to 4,096"),
    ("gpt2 --sequence 0", "--sequence 0: must be from 1 to 16,777,216"),
    ("gpt2 --sequence 2048", "sequence-length 2048 exceeds the model's 1024 learned positions"),
    ("gpt2 --lora-rank 0", "--lora-rank 0: must be from 1 to 65,536"),
    ("gpt2 --device h1000", "cluster: \"h1000\": no such cluster ships"),
    ("gpt2 --set n_layer=2", "--set: \"n_layer=2\": expected model.key=value or cluster.key=value"),
    ("gpt2 --set model.layers=2", "--set: layers: nothing reads this key"),
    ("gpt22", "gpt22: is neither a file nor a model that ships"),
  ])
  func badOptions(line: String, message: String) throws {
    let command = try Command.run("memory \(line)")
    #expect(command.status == 1 && command.output.isEmpty)
    #expect(command.errors.hasPrefix("sluice: \(message)"), "\(command.errors)")
    #expect(command.errors.split(separator: "\n").count == 1)
  }

  /// A long sequence of a recurrent model is priced as fast as a short one: chunks are counted, not listed.
  @Test(.timeLimit(.minutes(1))) func aMillionTokensOfStates() throws {
    let table = try Self.table("memory nemotron-h-8b --sequence 1000000 --json")
    #expect(table.rows.count == 12 && table.notices.count == 1)
  }
}
