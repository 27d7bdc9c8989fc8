"""Writes folders/: small models of the families as `save_pretrained` of transformers 5 writes them.

python folders.py, after families.py, whose rule for weights it takes.
"""
import os, shutil, sys, types
import torch
from transformers import AutoConfig, AutoModelForCausalLM

source = open('families.py').read()
rule = types.ModuleType('rule')
exec(source[:source.index('def rounded(')], rule.__dict__)
FOLDERS = [('mistral', dict(sliding_window=5, head_dim=4)), ('qwen2', dict(tie_word_embeddings=True)),
           ('qwen3', dict(head_dim=6)),
           ('mixtral', dict(num_local_experts=3, num_experts_per_tok=2, num_hidden_layers=1)),
           ('qwen3_moe', dict(num_experts=3, num_experts_per_tok=2, moe_intermediate_size=8,
                              head_dim=6, norm_topk_prob=True, decoder_sparse_step=2))]
shutil.rmtree('folders', ignore_errors=True)
for family, settings in FOLDERS:
  config = AutoConfig.for_model(family, **{**rule.BASE, 'rope_parameters': rule.ROPE, **settings})
  model = AutoModelForCausalLM.from_config(config)
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      for own, part in rule.parts(name, parameter.data, family):
        part.copy_(rule.weights(own, part.shape))
  model.save_pretrained(f'folders/{family}')
  os.remove(f'folders/{family}/generation_config.json')
