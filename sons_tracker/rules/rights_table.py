"""The table of rights: each action of the system, and how far each role may go with it.

One action a line; a column per role; `-`: the role does not have the action. What the other words mean stands
in `rights.Reach`. Read by `rights.py`, which refuses a role, a word or a line that it does not understand.

The document says what an agency, a supplier and an OG do (S0:1482-1666); where it is silent on who reads
what, the line is the project's reading: docs/decisions/rights-are-one-table.md.
"""

# ruff: noqa: E501 - one action a line: the file reads like the table that it is

TABLE = """\
                     editor distributor og ars reviewer payer pilot admin scheduler anonymous

## Le service et le droit
service.read         all    all         all   all   all      all   all   all   -         all       Lire la documentation, la liste des erreurs et l'état du service
rights.read          all    all         all   all   all      all   all   all   -         all       Lire ce tableau
law.read             all    all         all   all   all      all   all   all   -         all       Lire le droit, les calendriers et les droits mis en vigueur
law.enact            -      -           -     -     -        -     -     all   -         -         Mettre un droit en vigueur
law.measure          -      -           -     -     -        -     -     all   -         -         Mesurer l'effet d'un droit avant sa mise en vigueur
clock.read           all    all         all   all   all      all   all   all   -         all       Lire l'horloge
clock.declare        -      -           -     -     -        -     -     all   -         -         Déclarer l'instance, de démonstration ou de production
clock.advance        -      -           -     -     -        -     -     all   -         -         Avancer l'horloge d'une démonstration
deadline.fire        -      -           -     -     -        -     -     -     all       -         Faire échoir ce qui est arrivé à son terme

## Les comptes
session.open         self   self        self  self  self     self  self  self  -         self      Se connecter
session.read         self   self        self  self  self     self  self  self  -         -         Savoir qui l'on est et lister ses sessions
session.change       self   self        self  self  self     self  self  self  -         -         Prendre un autre de ses rôles
session.close        self   self        self  self  self     self  self  self  -         -         Se déconnecter, clore une de ses sessions
session.oversee      -      -           -     -     -        -     -     all   -         -         Lister et clore les sessions d'une autre personne
account.change       self   self        self  self  self     self  self  self  -         -         Changer son mot de passe ou son second facteur
identity.link        self   self        self  self  self     self  self  self  -         -         Lier à son compte une identité d'un fournisseur
identity.read        self   self        self  self  self     self  self  self  -         -         Lister ses identités
identity.unlink      self   self        self  self  self     self  self  self  -         -         Délier une de ses identités
invitation.make      own    own         own   own   -        -     -     all   -         -         Inviter une personne
invitation.read      own    own         own   own   -        -     -     all   -         -         Lire les invitations
invitation.revoke    own    own         own   own   -        -     -     all   -         -         Retirer une invitation
invitation.accept    self   self        self  self  self     self  self  self  -         self      Accepter une invitation et choisir ses secrets
invitation.join      self   self        self  self  self     self  self  self  -         -         Rejoindre une organisation par une invitation
member.enrol         -      -           -     -     -        -     -     all   -         -         Inscrire une organisation et une personne
member.read          own    own         own   own   own      own   own   own   -         -         Lire les membres
member.remove        own    own         own   own   -        -     -     all   -         -         Retirer un membre
member.appoint       -      -           own   -     -        -     -     all   -         -         Nommer ou relever un responsable d'organisme gestionnaire
delegation.read      -      -           own   -     all      all   all   all   -         -         Lire les délégations de signature
delegation.give      -      -           own   -     -        -     -     -     -         -         Donner une délégation de signature
delegation.revoke    -      -           own   -     -        -     -     -     -         -         Révoquer une délégation de signature
token.make           self   self        self  self  self     self  self  self  -         -         Créer un jeton
token.rotate         self   self        self  self  self     self  self  self  -         -         Renouveler un jeton
token.read           own    own         own   own   own      own   own   own   -         -         Lire les jetons
token.revoke         own    own         own   own   own      own   own   own   -         -         Révoquer un jeton
token.grant          -      -           -     -     -        -     -     all   -         -         Créer un jeton au nom d'une autre personne
person.read          -      -           -     -     -        -     -     all   -         -         Remettre à une personne tout ce qui est gardé d'elle
person.rectify       -      -           -     -     -        -     -     all   -         -         Rectifier le nom ou l'adresse d'une personne

## La commande
simulation.run       all    all         own   all   all      all   all   all   -         all       Simuler une commande
order.deposit        party  party       -     -     -        -     -     -     -         -         Déposer une commande
order.read           party  party       party -     all      all   all   all   all       -         Lire une commande
order.review         -      -           -     -     all      -     -     -     -         -         Régler les verdicts en attente d'une commande
ledger.read          party  party       party -     all      all   all   all   -         -         Lire le grand livre d'une commande
correction.ask       -      -           -     -     all      -     -     -     -         -         Demander une correction
correction.answer    party  party       -     -     -        -     -     -     -         -         Répondre à une demande de correction

## L'avance, la VA et le solde
request.read         party  party       party -     all      all   all   all   -         -         Lire les demandes d'avance et de solde
request.validate     -      -           -     -     all      -     -     -     -         -         Valider une demande d'avance ou de solde
request.refuse       -      -           -     -     all      -     -     -     -         -         Déclarer une demande irrecevable
advance.request      party  party       -     -     -        -     -     -     -         -         Demander l'avance
advance.settle       -      -           -     -     all      -     -     -     -         -         Décider du sort de l'avance qu'une clôture a laissée
va.read              party  party       party -     all      all   all   all   -         -         Lire la VA et son texte
va.prepare           party  party       -     -     -        -     -     -     -         -         Préparer la VA
va.sign              -      -           party -     -        -     -     -     -         -         Signer la VA
solde.request        party  party       -     -     -        -     -     -     -         -         Demander le solde, ou le déposer de nouveau
match.read           party  party       party -     all      all   all   all   -         -         Rapprocher la commande, la VA et la facture
piece.inspect        all    all         all   all   all      all   all   all   -         -         Faire examiner une pièce avant d'en donner l'empreinte

## L'annulation et l'avenant
cancellation.read    party  party       party -     all      all   all   all   -         -         Lire les annulations et leurs pièces
cancellation.ask     party  party       party -     -        -     -     -     -         -         Demander l'annulation d'une commande
cancellation.attest  -      -           party -     -        -     -     -     -         -         Signer l'attestation de renonciation
cancellation.state   party  party       -     -     -        -     -     -     -         -         Joindre l'attestation sur l'honneur
cancellation.decline -      -           party -     -        -     -     -     -         -         Refuser l'annulation que le fournisseur demande
cancellation.drop    party  party       party -     -        -     -     -     -         -         Retirer sa demande d'annulation
cancellation.settle  -      -           -     -     all      -     -     -     -         -         Décider d'une annulation
amendment.read       party  party       party -     all      all   all   all   -         -         Lire les avenants
amendment.propose    party  party       party -     -        -     -     -     -         -         Proposer un avenant
amendment.agree      party  party       party -     -        -     -     -     -         -         Accepter un avenant
amendment.refuse     party  party       party -     -        -     -     -     -         -         Refuser un avenant
amendment.withdraw   party  party       party -     -        -     -     -     -         -         Retirer un avenant

## Les conflits
audit.run            -      -           -     -     all      -     -     all   all       -         Auditer la nation, ou quelques ESSMS
audit.read           -      -           -     -     all      all   all   all   -         -         Lire les audits
conflict.contest     party  party       party -     -        -     -     -     -         -         Contester le refus d'une commande
conflict.read        party  party       party party all      all   all   all   -         -         Lire un dossier de conflit
conflict.assign      -      -           -     -     all      -     -     -     -         -         Attribuer un dossier
question.ask         -      -           -     -     all      -     -     -     -         -         Demander des précisions, un choix, un avis, une correction
question.withdraw    -      -           -     -     all      -     -     -     -         -         Retirer une question
question.answer      party  party       party party -        -     -     -     -         -         Répondre à une question
motivation.read      -      -           -     -     all      -     -     -     -         -         Lire les modèles de motivation d'un dossier
conflict.decide      -      -           -     -     all      -     -     -     -         -         Proposer une décision motivée
conflict.approve     -      -           -     -     all      -     -     -     -         -         Approuver la décision
conflict.reconsider  -      -           -     -     all      -     -     -     -         -         Retirer la décision avant son exécution
conflict.execute     -      -           -     -     all      -     -     -     -         -         Exécuter la décision
conflict.close       -      -           -     -     all      -     -     -     -         -         Clore un dossier exécuté
conflict.reopen      -      -           -     -     all      -     -     -     -         -         Rouvrir un dossier clos
graph.read           -      -           party -     all      all   all   all   -         -         Voir les liens autour d'un dossier
evidence.export      -      -           -     -     all      all   all   all   -         -         Télécharger le dossier de preuves

## Les registres
essms.read           all    all         all   all   all      all   all   all   -         -         Lire l'état d'un ESSMS : libre, réservé ou engagé
explanation.read     party  party       party -     all      all   all   all   -         -         Expliquer un ESSMS
extraction.compare   -      -           own   -     all      all   all   all   -         -         Comparer deux extractions du répertoire
succession.read      -      -           own   -     all      all   all   all   -         -         Lire les successions de numéros
succession.settle    -      -           -     -     all      -     -     -     -         -         Confirmer ou écarter une succession
register.import      -      -           -     -     -        -     -     all   -         -         Importer un registre : répertoire, liste de l'ANS, financements
grant_import.read    -      -           -     -     all      all   all   all   -         -         Lire les imports de financements et leurs anomalies

## Les réservations
reservation.read     party  party       party -     all      all   all   all   -         -         Lire une réservation
reservation.make     party  party       -     -     -        -     -     -     -         -         Réserver des ESSMS
reservation.renew    party  party       -     -     -        -     -     -     -         -         Renouveler une réservation
reservation.drop     party  party       -     -     -        -     -     -     -         -         Lever une réservation

## Les fournisseurs
supplier.list        -      -           -     -     all      all   -     all   -         -         Lister les fournisseurs
supplier.read        own    own         -     -     all      all   -     all   -         -         Lire un fournisseur
enrolment.submit     own    own         -     -     -        -     -     -     -         -         Déposer le dossier d'enrôlement
enrolment.decide     -      -           -     -     all      all   -     -     -         -         Valider le dossier d'enrôlement, ou le renvoyer à modifier
bank_account.ask     own    own         -     -     -        -     -     -     -         -         Demander un changement de compte bancaire
bank_account.confirm own    own         -     -     -        -     -     -     -         -         Confirmer un changement de compte bancaire
bank_account.stop    own    own         -     -     -        all   -     -     -         -         Arrêter un changement de compte bancaire

## L'argent
lot.read             -      -           -     -     all      all   all   all   -         -         Lire les lots de paiement
lot.prepare          -      -           -     -     -        all   -     -     -         -         Préparer un lot de paiement
lot.approve          -      -           -     -     -        all   -     -     -         -         Approuver un lot de paiement
lot.drop             -      -           -     -     -        all   -     -     -         -         Abandonner un lot de paiement
lot.export           -      -           -     -     -        all   -     -     -         -         Télécharger le fichier d'un lot approuvé
bank_return.import   -      -           -     -     -        all   -     -     -         -         Intégrer un retour de la banque
payment.read         party  party       party -     all      all   all   all   -         -         Lire les versements
payment.represent    -      -           -     -     -        all   -     -     -         -         Représenter un versement retourné
recovery.read        party  party       party -     all      all   all   all   -         -         Lire et exporter les recouvrements
recovery.issue       -      -           -     -     -        all   -     -     -         -         Émettre l'ordre de recouvrement
recovery.repay       -      -           -     -     -        all   -     -     -         -         Enregistrer un remboursement
recovery.follow      -      -           -     -     -        all   -     -     -         -         Ajouter une étape au suivi d'un recouvrement
forecast.read        party  party       party -     all      all   all   all   -         -         Lire la prévision : engagé, payé, à venir, à risque

## Les avis
event.read           all    all         all   all   all      all   all   all   -         all       Lire la liste des événements annoncés
notice.read          own    own         own   own   own      own   own   own   -         -         Lire ses avis
notice.replay        own    own         own   own   own      own   own   own   -         -         Rejouer un avis
webhook.read         own    own         own   own   own      own   own   own   -         -         Lire ses webhooks et leurs envois
webhook.manage       own    own         own   own   own      own   own   own   -         -         Enregistrer, renouveler, essayer, rejouer ou désactiver un webhook
feed.read            own    own         own   -     -        -     -     -     -         -         Lister ses calendriers
feed.manage          own    own         own   -     -        -     -     -     -         -         Créer ou révoquer un calendrier
feed.open            all    all         all   all   all      all   all   all   -         all       Lire le calendrier dont on a l'adresse secrète

## Le travail des agences
queue.read           -      -           -     -     all      all   all   all   -         -         Lire et exporter la file des dossiers de conflit
saved_view.read      -      -           -     -     self     self  self  self  -         -         Lister ses vues de la file
saved_view.manage    -      -           -     -     self     self  self  self  -         -         Enregistrer ou retirer une vue de la file
alert.read           -      -           -     -     all      all   all   all   -         -         Lire et exporter les alertes
alert.raise          -      -           -     -     all      -     -     all   all       -         Chercher de nouvelles alertes
alert.dismiss        -      -           -     -     all      -     -     -     -         -         Écarter une alerte
sample.read          -      -           -     -     all      all   all   all   -         -         Lire, exporter et refaire un échantillon
sample.draw          -      -           -     -     all      -     -     -     -         -         Tirer un échantillon

## Le journal
journal.export       -      -           -     -     -        -     all   all   -         -         Exporter le journal et lire sa tête
journal.seal         -      -           -     -     -        -     -     -     all       -         Sceller le journal et publier sa tête
journal.erase        -      -           -     -     -        -     -     all   -         -         Effacer un texte que le journal garde hors de sa chaîne
retention.apply      -      -           -     -     -        -     -     -     all       -         Effacer ce qui a passé sa durée de conservation

## Ce qu'une réponse montre
fact.read            -      -           own   -     all      all   all   all   -         -         Lire les faits d'un verdict : qui tient l'ESSMS, quel financement s'y oppose
side.read            -      -           party -     all      all   all   all   -         -         Lire les deux côtés d'un dossier de conflit, les sommes et l'historique
bank_number.read     own    own         -     -     -        all   -     -     -         -         Lire les IBAN et BIC en clair
recovery_note.read   -      -           -     -     all      all   all   all   -         -         Lire les notes internes d'un recouvrement
"""
