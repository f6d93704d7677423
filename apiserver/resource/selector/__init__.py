"""Calico's selector language: text, tokens, nodes, what they match, canonical text. Pure."""
