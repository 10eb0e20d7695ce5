"""Walks that nobody wrote: events drawn at random, done to objects of the run's own, beside a model made of the tables.

Hypothesis draws what to do; the model alone says who may, what is refused, and where an object arrives. What goes wrong
is cut down to the fewest steps that still show it, tried on objects made anew, since no target goes back to how it was.
"""
